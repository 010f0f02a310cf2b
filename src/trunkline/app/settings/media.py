"""``[media]``: the media engine."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, model_validator

from trunkline.app.settings.rtpengine import Rtpengine
from trunkline.app.settings.section import Seconds, Section
from trunkline.app.settings.values import PortRange, as_media_address, as_port_range, wrong
from trunkline.media.signals import COUNTRIES

_INTERFACE: Final = re.compile(r"[^\s/]{1,15}")


def as_country(value: Any) -> str:
    """A country whose tones are known, in capitals."""
    if isinstance(value, str) and (not value or value.upper() in COUNTRIES):
        return value.upper()
    raise wrong('a country such as "DE"', f"known are {', '.join(sorted(COUNTRIES))}")


def as_interfaces(value: Any) -> tuple[str, ...]:
    """Names of network interfaces (netdevice(7): at most 15 octets)."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(_INTERFACE.fullmatch(str(one)) for one in names):
        raise wrong("a list of network interfaces", 'as in ["eth0", "eth1"]; ip link lists them')
    return tuple(dict.fromkeys(names))


Ports = Annotated[PortRange, PlainValidator(as_port_range), PlainSerializer(str)]


class Media(Section):
    """Audio: RTP and RTCP."""

    engine: Literal["embedded", "rtpengine"] = Field(
        default="embedded",
        description="Who relays calls: this process, or the instances of `media.rtpengine`. What those cannot do is "
        "done in this process all the same.",
    )
    address: Annotated[str, BeforeValidator(as_media_address)] | None = Field(
        default=None,
        description="Address to bind media ports to. Default: that of the listeners, else all addresses.",
    )
    advertise: Annotated[str, BeforeValidator(as_media_address)] | None = Field(
        default=None,
        description="Address written into SDP. Default: `sip.advertise`, else the address bound.",
    )
    ports: Ports = Field(
        default=PortRange(10_000, 20_000),
        description="UDP ports for media, FIRST-LAST.",
        examples=['"10000-20000"'],
    )
    inactivity_s: Seconds = Field(
        default=120.0,
        description="A call whose media is silent on both sides this long is ended; 0 never ends one.",
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Threads that move packets and decode what members of conferences say; calls are divided among "
        "them. One is enough for thousands of calls; large conferences in Opus want more.",
    )
    kernel: Literal["auto", "off"] = Field(
        default="auto",
        description="Calls that need nothing but forwarding pass in the kernel where that may be (`auto`), or never "
        "(`off`).",
    )
    kernel_interfaces: Annotated[tuple[str, ...], BeforeValidator(as_interfaces)] = Field(
        default=(),
        description="Ethernet interfaces that media comes and goes by. Default: those of the media addresses and of "
        "the default route.",
        examples=['["eth0", "eth1"]'],
    )
    encryption: Literal["off", "preferred", "required"] = Field(
        default="off",
        description="What phones are offered: `off` plain RTP, `preferred` SRTP keys beside it where the phone is "
        "reached by TLS, `required` SRTP alone, and calls of phones without it are refused. What a phone offers itself "
        "is answered in the same way, whatever stands here.",
    )
    browsers: Literal["dtls", "plain"] = Field(
        default="dtls",
        description="What phones are offered that registered over WebSocket: DTLS-SRTP with ICE, as browsers need it, "
        "or as `encryption` says.",
    )
    convert: bool = Field(
        default=True,
        description="Whether parties that share no codec are offered G.711, G.722 and Opus, and converted between.",
    )
    tones: Annotated[str, BeforeValidator(as_country)] = Field(
        default="US",
        description="The country, by its two letters (ISO 3166-1), whose ringback is played to who waits in silence "
        "for somebody that rings; an empty one plays none.",
        examples=['"DE"'],
    )
    rtpengine: Rtpengine = Rtpengine()

    @model_validator(mode="after")
    def _engine_is_there(self) -> Media:
        if self.engine == "rtpengine" and not self.rtpengine.instances:
            raise wrong(
                'at least one address, since media.engine is "rtpengine"',
                'as in ["udp:127.0.0.1:2223"]',
                seen="none",
                at="rtpengine.instances",
            )
        if self.engine == "rtpengine" and self.encryption == "required":
            raise wrong(
                '"embedded", since media.encryption is "required": keys are held in this process alone, '
                "so that no call would be left for rtpengine",
                'or media.encryption = "preferred"',
                seen='"rtpengine"',
                at="engine",
            )
        return self
