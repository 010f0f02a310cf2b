"""Events survive the way through JSON and say which of them may never be dropped."""

from __future__ import annotations

import json

import pytest

from trunkline.media import events as e

EVENTS: list[e.MediaEvent] = [
    e.PortLatched("call", "a", "2001:db8::1", 4000, rtcp=True),
    e.PortInactive("call", "a", 30.5),
    e.PortActive("call", "a"),
    e.EngineLeaving("call", "a", "udp:192.0.2.10:2223"),
    e.EngineLost("call", "a", "udp:192.0.2.10:2223", "it does not answer"),
    e.DtmfReceived("call", "a", "#", 120),
    e.ToneEnded("call", "a"),
    e.DigitsSent("call", "a", "12#"),
    e.Played("call", "a", "p1", "failed", 0, 0, "media.file_format", "a.wav: 24 bits"),
    e.Recorded("call", "a", "r1", "/tmp/a.wav", 1500, 900, "silence", 2),  # noqa: S108  (a name, no file)
    e.PortSecured("call", "a", "AEAD_AES_128_GCM"),
    e.SecurityFailed("call", "a", "no answer"),
    e.PathChosen("call", "a", "192.0.2.1", 4000),
    e.ConsentLost("call", "a"),
    e.VoiceStarted("call", "a"),
    e.VoiceEnded("call", "a", 1200),
    e.ToneHeard("call", "a", "busy"),
    e.Answered("call", "a", "machine", 2400),
    e.ExtensionSeen("call", "a", "80"),
    e.KeepAliveLost("call", "a", 1000),
    e.KeepAliveBack("call", "a"),
    e.RecordFailed("call", "a", "r1", "a.wav", 20, "media.disk_full", "no space is left"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_events_survive_json(event: e.MediaEvent) -> None:
    assert e.event_from_dict(json.loads(json.dumps(event.to_dict()))) == event


def test_every_kind_is_covered_here() -> None:
    assert {event.kind for event in EVENTS} == set(e.EVENTS)


def test_only_latching_may_be_dropped() -> None:
    assert {event.kind for event in EVENTS if not event.critical} == {"latched"}
