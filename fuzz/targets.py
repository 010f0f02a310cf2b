"""What is fuzzed. A target takes bytes; RemoteProtocolError is its only way to refuse them.

An AssertionError is a finding too: targets also check what must hold for whatever was accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from fuzz.fuzz_binary import stun_request, tn_auth_list
from fuzz.fuzz_http import http_request
from fuzz.fuzz_presence import presence
from fuzz.fuzz_sip import sip_answer, sip_layer
from trunkline.base.errors import RemoteProtocolError
from trunkline.net.websocket.protocol import WebSocket
from trunkline.proto.sdp import parse_session
from trunkline.proto.sip.challenge import parse_challenges
from trunkline.proto.sip.credentials import parse_credentials
from trunkline.proto.sip.dialog_names import parse_replaces, parse_target_dialog
from trunkline.proto.sip.identity.asserted import parse_asserted, parse_remote_party
from trunkline.proto.sip.identity.diversion import parse_diversions
from trunkline.proto.sip.identity.history_info import parse_history
from trunkline.proto.sip.identity.passport import parse_token
from trunkline.proto.sip.identity.privacy import parse_privacy
from trunkline.proto.sip.identity.signed import parse_identities
from trunkline.proto.sip.message import Request, check_request, check_response, parse_message
from trunkline.proto.sip.name_addr import parse_addresses, parse_contacts
from trunkline.proto.sip.reason_header import parse_reasons
from trunkline.proto.sip.refer import parse_refer
from trunkline.proto.sip.session_expires import parse_min_se, parse_session_expires
from trunkline.proto.sip.stream import StreamFramer
from trunkline.proto.sip.uri import parse_uri
from trunkline.proto.sip.via import parse_top_via

ROOT = Path(__file__).resolve().parents[1]


class Target(NamedTuple):
    """``run`` is fed with mutants of the files that ``seeds`` (globs below the root) name."""

    run: Callable[[bytes], None]
    seeds: tuple[str, ...]


def sip_message(data: bytes) -> None:
    """A datagram: parsed, checked, and every lazily parsed header asked for."""
    message = parse_message(data)
    if isinstance(message, Request):
        check_request(message)
        parse_uri(message.uri)
    else:
        check_response(message)
    assert message.cseq[0] >= 0
    assert message.via.host
    assert message.from_tag != ""
    assert message.to_tag != ""
    parse_contacts(message.get("Contact") or "")
    if isinstance(message, Request) and "Refer-To" in message.headers:
        parse_refer(message)


def sip_values(data: bytes) -> None:
    """Each line as the value of every typed header; one that is refused must not hide the next."""
    for line in data.decode("utf-8", "surrogateescape").splitlines()[:50]:
        for parse in (
            parse_addresses,
            parse_contacts,
            parse_top_via,
            parse_challenges,
            parse_credentials,
            parse_replaces,
            parse_target_dialog,
            parse_asserted,
            parse_remote_party,
            parse_diversions,
            parse_history,
            parse_identities,
            parse_token,
            parse_reasons,
            parse_privacy,
            parse_session_expires,
            parse_min_se,
            _stable_uri,
        ):
            try:
                parse(line)
            except RemoteProtocolError:
                continue


def sip_stream(data: bytes) -> None:
    """A connection's bytes give the same messages whole and in pieces."""
    whole, whole_fault = _framed([data])
    pieces, piece_fault = _framed([data[at : at + 7] for at in range(0, len(data), 7)])
    assert pieces == whole, f"{len(pieces)} messages in pieces, {len(whole)} whole"
    assert piece_fault == whole_fault, f"in pieces: {piece_fault}, whole: {whole_fault}"


def websocket(data: bytes) -> None:
    """A WebSocket connection's bytes give the same messages whole and in pieces."""
    # A client waits for the answer to its handshake before it sends a frame (RFC 6455 §4.1).
    hello, blank, rest = data.partition(b"\r\n\r\n")
    whole, whole_fault = _unframed([hello + blank, rest])
    pieces, piece_fault = _unframed([hello + blank, *(rest[at : at + 13] for at in range(0, len(rest), 13))])
    assert pieces == whole, f"{len(pieces)} messages in pieces, {len(whole)} whole"
    assert bool(piece_fault) == bool(whole_fault), f"in pieces: {piece_fault}, whole: {whole_fault}"


def sdp(data: bytes) -> None:
    """A session description: what it renders is parsed to the same again."""
    session = parse_session(data)
    for media in session.media:
        session.connection_of(media)
        session.direction_of(media)
    assert str(parse_session(str(session))) == str(session)


def _stable_uri(text: str) -> None:
    rendered = str(parse_uri(text))
    assert str(parse_uri(rendered)) == rendered


def _framed(pieces: list[bytes]) -> tuple[list[object], str]:
    framer, events = StreamFramer(), list[object]()
    for piece in pieces:
        events += framer.feed(piece)
        if framer.error is not None:
            return events, framer.error.reason
    return events, ""


def _unframed(pieces: list[bytes]) -> tuple[list[object], str]:
    said: list[bytes] = []
    connection, events = WebSocket(said.append, MAX_WEBSOCKET_MESSAGE), list[object]()
    for piece in pieces:
        try:
            events += connection.feed(piece)
        except RemoteProtocolError as error:
            return events, error.reason
        if connection.error is not None:
            return events, connection.error.reason
    assert sum(map(len, said)) <= MAX_WEBSOCKET_MESSAGE, "more is said than was heard"
    return events, ""


MAX_WEBSOCKET_MESSAGE = 65_536
SIP_MESSAGES = ("tests/vectors/rfc4475/*.dat", "tests/vectors/rfc5118/*.dat", "fuzz/corpus/sip/*")
TARGETS: dict[str, Target] = {
    "sip-message": Target(sip_message, SIP_MESSAGES),
    "sip-answer": Target(sip_answer, SIP_MESSAGES),
    "sip-layer": Target(sip_layer, SIP_MESSAGES),
    "sip-values": Target(sip_values, ("tests/vectors/rfc4475/*.dat", "fuzz/corpus/sip/*")),
    "sip-stream": Target(sip_stream, ("tests/vectors/rfc4475/*.dat", "fuzz/corpus/sip/*")),
    "websocket": Target(websocket, ("fuzz/corpus/websocket/*",)),
    "http-request": Target(http_request, ("fuzz/corpus/http/*",)),
    "sdp": Target(sdp, ("fuzz/corpus/sdp/*",)),
    "stun": Target(stun_request, ("fuzz/corpus/stun/*",)),
    "tn-auth-list": Target(tn_auth_list, ("fuzz/corpus/tn_auth_list/*",)),
    "presence": Target(presence, ("fuzz/corpus/presence/*",)),
}


def seeds_of(target: Target) -> list[bytes]:
    """The contents of the target's seed files, in the order of their names."""
    files = sorted(path for pattern in target.seeds for path in ROOT.glob(pattern))
    if not files:
        raise FileNotFoundError(f"no seeds match {target.seeds} below {ROOT}")
    return [path.read_bytes() for path in files]
