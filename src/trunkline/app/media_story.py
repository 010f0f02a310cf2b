"""What the media engine notices, told in the story of the call it belongs to."""

from __future__ import annotations

from trunkline.call.call import Call
from trunkline.call.registry import Calls
from trunkline.media.events import (
    ConsentLost,
    DtmfReceived,
    EngineLost,
    MediaEvent,
    PathChosen,
    PortActive,
    PortInactive,
    PortLatched,
    PortSecured,
    SecurityFailed,
)


class MediaStory:
    """A listener of the engine. A call all of whose parties are silent for ``inactivity_s`` seconds is ended."""

    def __init__(self, calls: Calls, inactivity_s: float) -> None:
        self._calls = calls
        self._ends = inactivity_s > 0

    def __call__(self, event: MediaEvent) -> None:
        call = self._calls.active.get(event.owner)
        if call is None:
            return
        who = _party_of(call, event.port)
        if isinstance(event, PortLatched):
            kind = "RTCP" if event.rtcp else "RTP"
            call.tell("media.heard", f"{kind} of {who} comes from {event.address}:{event.source_port}")
        elif isinstance(event, PortInactive):
            call.tell("media.silent", f"nothing was heard of {who} for {event.silence_s:.0f} s")
            self._silence(call, event.port)
        elif isinstance(event, PortActive):
            call.tell("media.heard_again", f"{who} is heard again")
            call.silent -= {event.port}
        elif isinstance(event, EngineLost):
            call.tell("media.engine_lost", f"{event.instance} relays the call no more: {event.reason}")
        elif isinstance(event, PortSecured | SecurityFailed | PathChosen | ConsentLost):
            if isinstance(event, PortSecured):
                _note_suite(call, event)
            call.tell(*_of_security(who, event))
        elif isinstance(event, DtmfReceived):
            # Which key is nobody's business but the parties': people dial their PINs.
            call.tell("media.key", f"{who} pressed a key", duration_ms=event.duration_ms)

    def _silence(self, call: Call, port: str) -> None:
        call.silent |= {port}
        ports = {port for leg in call.legs if not leg.done for port in leg.media.live}
        if self._ends and ports and ports <= call.silent:
            call.tell("call.media_timeout", "no party is heard any more")
            call.hang_up(code="call.media_timeout")


def _note_suite(call: Call, event: PortSecured) -> None:
    for leg in call.legs:
        if event.port in leg.media.ports:
            leg.media.suites[event.port] = event.suite


def _of_security(who: str, event: PortSecured | SecurityFailed | PathChosen | ConsentLost) -> tuple[str, str]:
    if isinstance(event, PortSecured):
        return "media.secured", f"keys are agreed with {who}: {event.suite}"
    if isinstance(event, SecurityFailed):
        return "media.not_secured", f"no keys are agreed with {who}: {event.reason}"
    if isinstance(event, PathChosen):
        return "media.path", f"{who} has chosen {event.address}:{event.source_port}"
    return "media.consent_lost", f"{who} asks for media no more: nothing is sent to it"


def _party_of(call: Call, port: str) -> str:
    for leg in call.legs:
        if port in leg.media.ports:
            return call.caller.number if leg is call.legs[0] else leg.outcome.target
    return "a party"
