"""``[media.rtpengine]``: other machines that relay calls."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from trunkline.app.addresses import is_ip, parse_host_port
from trunkline.app.settings.section import Section
from trunkline.app.settings.tls import PemFile
from trunkline.app.settings.values import as_listen, wrong
from trunkline.app.settings.web_address import as_list

_FORM = '"udp:HOST:PORT", "ws://HOST:PORT" or "wss://HOST:PORT"'


def as_instance(value: Any) -> str:
    """Where one rtpengine takes commands: its ``listen-ng``, ``listen-http`` or ``listen-https``."""
    if not isinstance(value, str):
        raise wrong(_FORM)
    if value.startswith(("ws://", "wss://")):
        return _web_socket(value)
    kind, colon, rest = value.partition(":")
    if kind != "udp" or not colon:
        raise wrong(_FORM, "as in rtpengine's listen-ng (udp) or listen-http (ws)")
    try:
        address = parse_host_port(rest)
    except ValueError as error:
        raise wrong(_FORM, str(error)) from None
    if address.port is None:
        raise wrong(_FORM, "the port is missing: rtpengine's listen-ng mostly has 2223")
    if not is_ip(address.host):
        raise wrong(_FORM, "the host of udp is an IP address")
    return f"udp:{address}"


def _web_socket(value: str) -> str:
    try:
        parts = urlsplit(value)
        complete = bool(parts.hostname and parts.port)
    except ValueError:
        complete = False
    if not complete:
        raise wrong(_FORM, "host and port are missing")
    return value


def each_once(instances: tuple[str, ...]) -> tuple[str, ...]:
    """The same one twice would be asked twice, and counted twice."""
    twice = next((one for one in instances if instances.count(one) > 1), None)
    if twice is not None:
        raise wrong("each instance once", seen=f"{twice} twice")
    return instances


def as_keys_at(value: Any) -> str:
    """Our address for reports of key presses; ``off`` without."""
    address = as_listen(value, "127.0.0.1:2224")
    if address != "off" and not is_ip(parse_host_port(address).host):
        raise wrong('HOST:PORT such as "127.0.0.1:2224", or "off"', "the host is an IP address")
    return address


def as_numbers(value: Any) -> Any:
    """A list."""
    if not isinstance(value, list | tuple):
        raise wrong("a list of numbers such as [2, 1]")
    return tuple(value)


Instances = Annotated[
    tuple[Annotated[str, BeforeValidator(as_instance)], ...],
    BeforeValidator(as_list),
    AfterValidator(each_once),
]
Weights = Annotated[tuple[Annotated[int, Field(ge=1, le=1000)], ...], BeforeValidator(as_numbers)]


class Rtpengine(Section):
    """Instances of rtpengine that relay calls when `media.engine` is `rtpengine`."""

    instances: Instances = Field(
        default=(),
        description="Where they take commands: `udp:` and their `listen-ng`, `ws://` and their `listen-http`.",
        examples=['["udp:192.0.2.10:2223", "ws://192.0.2.11:2225"]'],
    )
    weights: Weights = Field(
        default=(),
        description="Shares of the calls, one number for each instance; one with 2 has twice the calls of one with 1. "
        "Default: equal ones.",
        examples=["[2, 1]"],
    )
    timeout_s: float = Field(
        default=3.0,
        ge=0.5,
        le=30,
        description="How long an answer to a command may take, repetitions included.",
    )
    ping_s: float = Field(
        default=1.0,
        ge=0.2,
        le=60,
        description="Seconds between two looks whether an instance is well. After three in vain it gets no calls, "
        "after two good ones it does again.",
    )
    keys_at: Annotated[str, BeforeValidator(as_keys_at)] = Field(
        default="off",
        description="Our address for reports of pressed keys: what `dtmf-log-dest` of the instances names.",
        examples=['"192.0.2.1:2224"'],
    )

    moves_per_s: float = Field(
        default=50.0,
        ge=0,
        le=1000,
        description="Calls that begin to move in a second, when their instance is lost or drained: each is a re-INVITE "
        "to both parties. 0 leaves them where they are.",
    )
    ca: PemFile | None = Field(
        default=None,
        description="PEM file of authorities trusted beside the system's: of instances at `wss://`.",
        examples=['"/etc/trunkline/rtpengine-ca.pem"'],
    )

    @model_validator(mode="after")
    def _weights_fit(self) -> Rtpengine:
        if self.weights and len(self.weights) != len(self.instances):
            raise wrong(
                f"as many numbers as there are instances: {len(self.instances)}",
                seen=f"{len(self.weights)}",
                at="weights",
            )
        return self
