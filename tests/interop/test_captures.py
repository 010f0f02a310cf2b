"""Capture files of `trunkline trace --pcap`, read by Wireshark's dissectors."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.peers.programs import program
from tests.unit.app.trace.samples import CALL
from trunkline.app.trace.pcap import PcapWriter
from trunkline.base.messages import TracedMessage

WITHIN_S = 60.0
FIELDS = ("sip.Method", "sip.Status-Code", "sip.Call-ID", "_ws.malformed", "tcp.analysis.flags")


def dissected(file: Path) -> list[list[str]]:
    """The fields of each packet that tshark takes for SIP."""
    words = [program("tshark"), "-r", str(file), "-Y", "sip", "-T", "fields"]
    for field in FIELDS:
        words += ["-e", field]
    done = subprocess.run(words, capture_output=True, text=True, timeout=WITHIN_S, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def written(folder: Path, messages: list[TracedMessage]) -> Path:
    path = folder / "call.pcap"
    with path.open("wb") as file:
        writer = PcapWriter(file)
        for message in messages:
            writer.write(message)
    return path


@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS", "WS", "WSS", "UDP over IPv6", "TCP over IPv6"])
def test_every_message_of_a_call_is_sip_to_wireshark(tmp_path: Path, transport: str) -> None:
    kind, _, six = transport.partition(" over ")
    local, remote = (
        ("[2001:db8::1]:25060", "[2001:db8::2]:4000") if six else ("192.0.2.1:25061", "192.0.2.2:4000")
    )
    call = [replace(message, transport=kind, local=local, remote=remote) for message in CALL]
    seen = dissected(written(tmp_path, call))
    assert len(seen) == len(CALL)
    for (method, status, call_id, malformed, flags), message in zip(seen, CALL, strict=True):
        start = message.data.partition("\r\n")[0].split()
        assert (status or method) == (start[1] if start[0] == "SIP/2.0" else start[0])
        assert call_id == message.call
        assert (malformed, flags) == ("", "")
