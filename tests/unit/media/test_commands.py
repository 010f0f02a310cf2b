"""Commands and replies survive the way through JSON, so that the engine may move to another process."""

from __future__ import annotations

import json

import pytest

from trunkline.media import commands as c
from trunkline.media.statistics import PortStatistics

FIGURES = PortStatistics("a", 3, 516, jitter_ms=1.25, last_heard_s=None, ssrc=0xFFFF_FFFF, payload_type=0)
COMMANDS: list[c.Command[c.Reply]] = [
    c.OpenPort("a", "call", "ipv6", 10_002),
    c.SetRemote("a", "192.0.2.1", 4000, "192.0.2.2", 4005, rtcp_mux=True, policy="signalled"),
    c.SetRemote("a", "2001:db8::1", 4000, dtmf_payload_type=101, clock_hz=48_000),
    c.SetRemote("a", "192.0.2.1", 4000, opaque=True),
    c.Link("a", "b"),
    c.Link("a", "b", convert=True),
    c.SetFormats("a", [c.Format(111, "opus", 48_000, 2, "useinbandfec=1")], None, None, 40),
    c.SetFormats("a", [], c.Format(8, "PCMA"), c.Format(101, "telephone-event")),
    c.SetKeys("a", "AES_CM_128_HMAC_SHA1_80", "c2VuZA==", ""),
    c.SetDtls("a", "passive", "sha-256 AB:CD"),
    c.SetIce("a", "ours", "secret", "theirs", "hidden"),
    c.SetPlain("a"),
    c.ReadIdentity(),
    c.OpenRoom("room", "call", 48_000, 3),
    c.CloseRoom("room"),
    c.Join("a", "room", -3.0, muted=True, deaf=True),
    c.PlaySignal("a", [c.ToneStep([440.0, 480.0], 2000), c.ToneStep([], 4000)], over_link=True),
    c.Listen("a", keys=True, progress=True),
    c.OpenAudio("a", 24_000, speak=False),
    c.SetExtension("a", 0, 0x0067, "00000000", 200, 123, 1000),
    c.Unlink("a"),
    c.SetDirection("a", send=False),
    c.Echo("a"),
    c.Tone("a", 440.0, -10.0, 8, 1500),
    c.SendDigits("a", "12#", 101, 80, 40),
    c.Play("a", "p1", ["hello.wav", "goodbye.wav"], 8, loop=True),
    c.LoadSound("hello", "AAD/fw==", 16_000),
    c.DropSound("hello"),
    c.StopPlay("a", "p1"),
    c.Record("a", "r1", "call.wav", "b", "stereo", 60.0, 1_000_000, 5000, 2.5),
    c.StopRecord("r1"),
    c.ReadStatistics("a"),
    c.ClosePort("a"),
    c.AdoptPort("a", "other"),
    c.CloseOwner("call"),
    c.CloseStrays(),
    c.MoveOwner("call"),
    c.FindOwner("call"),
]
REPLIES: list[c.Reply] = [
    c.Done(),
    c.PortOpened("a", "10.0.0.1", "203.0.113.7", 10_000, 10_001),
    c.StatisticsRead(FIGURES),
    c.OwnerClosed((FIGURES, PortStatistics("b"))),
    c.OwnerFound(known=False),
    c.OwnerMoved((c.PortOpened("a", "10.0.0.1", "203.0.113.7", 10_000, 10_001),), "one", "two"),
    c.IdentityRead("sha-256 AB:CD"),
    c.AudioOpened(7),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.kind)
def test_commands_survive_json(command: c.Command[c.Reply]) -> None:
    assert c.command_from_dict(json.loads(json.dumps(command.to_dict()))) == command


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: reply.kind)
def test_replies_survive_json(reply: c.Reply) -> None:
    assert c.reply_from_dict(json.loads(json.dumps(reply.to_dict()))) == reply


def test_every_kind_is_covered_here() -> None:
    assert {command.kind for command in COMMANDS} == set(c.COMMANDS)
    assert {reply.kind for reply in REPLIES} == set(c.REPLIES)


def test_unknown_kinds_and_fields_are_refused() -> None:
    with pytest.raises(KeyError, match="explode"):
        c.command_from_dict({"kind": "explode", "port": "a"})
    with pytest.raises(TypeError, match="volume"):
        c.command_from_dict({"kind": "echo", "port": "a", "volume": 11})
    with pytest.raises(TypeError, match="other"):
        c.command_from_dict({"kind": "link", "port": "a"})


def test_no_secret_is_shown() -> None:
    shown = repr([command for command in COMMANDS if command.kind in {"set_keys", "set_ice"}])
    assert "c2VuZA==" not in shown
    assert "secret" not in shown
    assert "hidden" not in shown
