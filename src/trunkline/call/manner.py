"""How the parties of a call speak: by which keys and codecs, in words for its story and its records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trunkline.call.call import Call
    from trunkline.call.leg import Leg


def tell_manner(call: Call, *legs: Leg) -> None:
    """Tell what differs from plain RTP that is relayed as it comes, unless it was told before."""
    some = any(leg.media.secured for leg in legs)
    for leg in legs:
        who, suite = party_of(call, leg), _suite_of(leg)
        if suite:
            _once(call, "media.secured", f"keys are agreed with {who} in the descriptions: {suite}")
        elif some and not leg.media.secured:  # of keys by DTLS the engine tells when they are there
            _once(call, "media.plain", f"media of {who} is not encrypted, that of the other party is")
    spoken = [_spoken_to(leg) for leg in legs]
    if len(legs) > 1 and all(spoken):
        said = ", ".join(f"{party_of(call, leg)} {codec}" for leg, codec in zip(legs, spoken, strict=True))
        _once(call, "media.converted", f"the parties share no codec, and are converted: {said}")


def party_of(call: Call, leg: Leg) -> str:
    """How the story calls a party."""
    return call.caller.number if leg is call.legs[0] else leg.outcome.target


def manner_of(call: Call, leg: Leg, port: str, quality: dict[str, Any] | None) -> dict[str, Any] | None:
    """The figures of a leg's port for its record, with the codec heard last and the suite of its keys."""
    if quality is None:
        return None
    heard = quality["payload_type"]
    quality["codec"] = leg.media.codec_of(heard) if heard is not None else ""
    quality["suite"] = leg.media.suites.get(port, "")
    # Its port has been taken back by now: whether it was there is told by what passed.
    quality["kernel"] = quality["kernel_packets"] > 0
    quality["converted"] = call.bridge is not None and leg.media.is_converted(port)
    return quality


def _suite_of(leg: Leg) -> str:
    return next((leg.media.suites[port] for port in leg.media.live if port in leg.media.suites), "")


def _spoken_to(leg: Leg) -> str:
    return next((leg.media.spoken_on(port) for port in leg.media.live if leg.media.is_converted(port)), "")


def _once(call: Call, code: str, text: str) -> None:
    if not any(step.code == code and step.text == text for step in call.story.steps):
        call.tell(code, text)
