"""The settings: what a restart may need. What an operator changes while running lives in the store.

Models are strict and frozen: a text is no number, an unknown key is an error. ``load_settings`` (in
``file``) reads them from a TOML or JSON file; ``docs/reference/configuration.md`` is generated
from the descriptions below.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from trunkline.app.settings.api import Api, ExchangeRole
from trunkline.app.settings.audio_socket import AudioSocket, each_number_once
from trunkline.app.settings.auth import Auth
from trunkline.app.settings.dns import Dns
from trunkline.app.settings.events import Events
from trunkline.app.settings.guard import Guard, Limits
from trunkline.app.settings.media import Media
from trunkline.app.settings.mobile import Mobile
from trunkline.app.settings.operation import Log, Metrics
from trunkline.app.settings.push import Push
from trunkline.app.settings.recording import Recording
from trunkline.app.settings.section import Section
from trunkline.app.settings.sip import Sip
from trunkline.app.settings.stir import Peer, Stir
from trunkline.app.settings.texts import Texts
from trunkline.app.settings.trace import Trace
from trunkline.app.settings.transfers import Transfers
from trunkline.app.settings.trunk import Trunk, each_named_once
from trunkline.app.settings.values import as_domain, as_folder, as_tables


class Settings(Section):
    """Everything the file may say."""

    domain: Annotated[str, BeforeValidator(as_domain)] = Field(
        default="",
        description="SIP domain of the default tenant: the part after @ that phones use. "
        "Default: the host's address.",
        examples=['"example.com"'],
    )
    data: Annotated[str, BeforeValidator(as_folder)] = Field(
        default="",
        description="Data folder; `--data` and `$TRUNKLINE_DATA` win over it, and commands beside the exchange "
        "do not read this file. Default: `./data` when it exists, else the user's data folder.",
        examples=['"/var/lib/trunkline"'],
    )
    node: int = Field(
        default=0, ge=0, le=255, description="This node's number; unique among nodes that work together."
    )
    exchange: ExchangeRole = ExchangeRole()
    sip: Sip = Sip()
    dns: Dns = Dns()
    media: Media = Media()
    recording: Recording = Recording()
    guard: Guard = Guard()
    limits: Limits = Limits()
    texts: Texts = Texts()
    transfers: Transfers = Transfers()
    events: Events = Events()
    stir: Stir = Stir()
    peers: Annotated[tuple[Peer, ...], BeforeValidator(as_tables)] = Field(
        default=(),
        description="Who sends calls to our extensions without a password, as tables: other exchanges, carriers.",
    )
    trunks: Annotated[tuple[Trunk, ...], BeforeValidator(as_tables), AfterValidator(each_named_once)] = Field(
        default=(), description="Whom calls go out through, as tables: carriers, other exchanges."
    )
    audio_sockets: Annotated[
        tuple[AudioSocket, ...], BeforeValidator(as_tables), AfterValidator(each_number_once)
    ] = Field(default=(), description="Numbers whose callers talk to a program over a WebSocket, as tables.")
    api: Api = Api()
    auth: Auth = Auth()
    mobile: Mobile = Mobile()
    push: Push = Push()
    metrics: Metrics = Metrics()
    log: Log = Log()
    trace: Trace = Trace()

    @property
    def relays(self) -> bool:
        """Whether media ports are used: not by a gateway alone whose sound goes straight between app and PBX."""
        return self.exchange.enabled or self.mobile.media == "relay"
