"""Capture files that other tools read: addresses, checksums, sequence numbers."""

from __future__ import annotations

import io
from ipaddress import ip_address

import pytest

from tests.unit.app.trace.pcap_reader import Packet, read_pcap
from tests.unit.app.trace.samples import CALL, CALLER, sip, traced
from trunkline.app.trace.pcap import MOST_BYTES, PcapWriter, end_of
from trunkline.base.messages import TracedMessage


def captured(*messages: TracedMessage) -> list[Packet]:
    file = io.BytesIO()
    writer = PcapWriter(file)
    for message in messages:
        writer.write(message)
    return read_pcap(file.getvalue())


def test_datagrams_have_the_addresses_times_and_bytes_of_their_messages() -> None:
    packets = captured(*CALL)
    assert [packet.data.decode("latin-1") for packet in packets] == [message.data for message in CALL]
    assert [packet.at for packet in packets] == pytest.approx([message.at for message in CALL])
    assert {packet.protocol for packet in packets} == {"UDP"}
    assert (packets[0].source, packets[0].target) == ("192.0.2.10 5062", "192.0.2.1 5060")
    assert (packets[1].source, packets[1].target) == ("192.0.2.1 5060", "192.0.2.10 5062")


@pytest.mark.parametrize("odd", [0, 1])
def test_ipv6_datagrams_have_right_checksums(odd: int) -> None:
    message = traced(
        sip("OPTIONS sip:a SIP/2.0", body="x" * odd), "[2001:db8::2]:5070", local="[fe80::1%eth0]:5060"
    )
    (packet,) = captured(message)
    assert (packet.source, packet.target) == ("2001:db8::2 5070", "fe80::1 5060")
    assert packet.data.decode() == message.data


def test_connections_have_running_sequence_numbers_in_both_directions() -> None:
    ask = traced(sip("OPTIONS sip:a SIP/2.0"), transport="TCP")
    answer = traced(sip("SIP/2.0 200 OK"), transport="TCP", incoming=False)
    first, second, third = captured(ask, answer, ask)
    assert (first.protocol, first.sequence, first.acknowledged) == ("TCP", 1, 1)
    assert (second.sequence, second.acknowledged) == (1, 1 + len(ask.data))
    assert (third.sequence, third.acknowledged) == (1 + len(ask.data), 1 + len(answer.data))


@pytest.mark.parametrize("transport", ["TLS", "WS", "WSS"])
def test_what_was_wrapped_is_written_plain_on_the_port_of_sip(transport: str) -> None:
    (packet,) = captured(traced(sip("BYE sip:a SIP/2.0"), transport=transport, local="192.0.2.1:5061"))
    assert (packet.protocol, packet.target) == ("TCP", "192.0.2.1 5060")


def test_a_message_longer_than_a_packet_is_cut_into_segments() -> None:
    message = traced("x" * (MOST_BYTES + 10), transport="TCP")
    first, second = captured(message)
    assert (len(first.data), len(second.data)) == (MOST_BYTES, 10)
    assert second.sequence == 1 + MOST_BYTES


def test_ends_of_two_families_are_written_in_one() -> None:
    (packet,) = captured(traced(sip("BYE sip:a SIP/2.0"), "[2001:db8::2]:5070"))
    assert ip_address(packet.target.split()[0]) == ip_address("::ffff:192.0.2.1")


@pytest.mark.parametrize("text", ["", "nonsense", "host.example:5060", "1.2.3.4:", ":", "[x]:y"])
def test_an_end_that_is_no_address_is_no_fault(text: str) -> None:
    assert 0 <= end_of(text)[1] <= 65535
    assert len(captured(traced("x", text))) == 1


def test_the_caller_is_an_address() -> None:
    assert str(end_of(CALLER)[0]) == "192.0.2.10"
