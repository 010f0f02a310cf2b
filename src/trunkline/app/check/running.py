"""The exchange that runs with this data folder, if one does: whether it answers, and what it warns of."""

from __future__ import annotations

import re
import secrets
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from trunkline.app.addresses import HostPort, is_unspecified, parse_host_port
from trunkline.app.check.finding import Case, Finding, Findings
from trunkline.app.control_client import ControlClient, NotAllowed, NotRunning
from trunkline.app.data_folder import DataFolder
from trunkline.base.errors import TrunklineError
from trunkline.base.messages import ExchangeStatus, Refused, Reload, Status

_say = Findings("exchange")
CONTROL_S = 5.0
ANSWER_S = 2.0
_ASKED = ("udp", "tcp", "tls", "ws", "wss")
_advised = re.compile(r"(.+?): ((?:look at|trunkline) .+)").fullmatch


def find_running(data: DataFolder) -> tuple[ExchangeStatus | None, list[Finding]]:
    """Its status, or a line about why there is none."""
    try:
        with ControlClient(data.socket, CONTROL_S) as client:
            return client.ask(Status()), []
    except NotRunning:
        return None, [_say.ok(f"no exchange runs with {data.path}")]
    except NotAllowed as error:
        return None, [_say.fail(str(error), "run this as the exchange's user, or as root")]
    except TrunklineError as error:
        return None, [_say.fail(f"the exchange does not answer commands: {error}", "look at its log")]


def exchange(case: Case) -> Iterator[Finding]:
    """Nothing when none runs."""
    status = case.running
    if status is None:
        return
    yield _state(status)
    for warning in status.warnings:
        yield warned(warning)
    for row in status.listeners:
        transport, _, address = row.url.partition(":")
        if transport in _ASKED:
            yield asked(transport, parse_host_port(address))
    yield from _pending(case)


def _state(status: ExchangeStatus) -> Finding:
    shown = f"version {status.version} is {status.state}, pid {status.pid}, {status.calls} calls"
    if status.state == "draining":
        return _say.warn(f"{shown}: it takes no new calls", "trunkline drain --undo takes calls again")
    return _say.ok(shown)


def warned(warning: str) -> Finding:
    """A line of its status, with the advice that stands in it."""
    found = _advised(warning)
    if found is None:
        return _say.warn(warning, "trunkline status tells more")
    what, mend = found.groups()
    if mend.startswith("trunkline check"):  # which is what runs
        mend = "look at what is said here of push and push services, else at its log"
    return _say.warn(what, mend)


def _pending(case: Case) -> Iterator[Finding]:
    """Settings that the file has and the exchange does not."""
    try:
        with ControlClient(case.data.socket, CONTROL_S) as client:
            plan = client.ask(Reload(dry_run=True))
    except Refused as refused:
        yield _say.warn(
            f"its settings file, or one that this names, is wrong now: {refused.problem.detail}",
            "mend it before the next reload or start",
        )
        return
    except TrunklineError as error:
        yield _say.warn(f"it does not tell about its settings: {error}", "look at its log")
        return
    if plan.applied:
        keys = ", ".join(change.key for change in plan.applied)
        yield _say.warn(f"changed in the file, not taken over yet: {keys}", "trunkline reload")
    if plan.restart:
        keys = ", ".join(change.key for change in plan.restart)
        yield _say.warn(
            f"changed in the file, waiting for a restart: {keys}", "trunkline drain --wait, then restart"
        )


def asked(transport: str, address: HostPort) -> Finding:
    """What OPTIONS (RFC 3261 §11) gets at a listener."""
    host = address.host
    if is_unspecified(host):
        host = "::1" if ":" in host else "127.0.0.1"
    name = f"{transport}:{address}"
    try:
        answer = answer_to_options(transport, host, address.port or 5060)
    except (OSError, ssl.SSLError) as error:
        why = "no answer" if isinstance(error, TimeoutError) else (error.strerror or str(error)).lower()
        return _say.fail(
            f"OPTIONS to {name}: {why} within {ANSWER_S:g} s", "look at the log, and at a firewall"
        )
    status = answer[8:11]
    if not answer.startswith("SIP/2.0 ") or not status.isdecimal():
        return _say.fail(f"OPTIONS to {name}: an answer that is no SIP", "another program may hold the port")
    if status == "503":
        return _say.warn(
            f"OPTIONS to {name}: {answer[8:]}", "it takes no new calls: trunkline status tells why"
        )
    return _say.ok(f"OPTIONS to {name}: {answer[8:]}")


def answer_to_options(transport: str, host: str, port: int) -> str:
    """The status line that OPTIONS gets at an address; raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with closing(socket.socket(family, kind)) as plain:
        plain.settimeout(ANSWER_S)
        plain.connect((host, port))
        connection = _secured(plain) if transport in {"tls", "wss"} else plain
        request = _options(transport, host, port, connection.getsockname()[1])
        if transport in {"ws", "wss"}:
            answer = _by_websocket(connection, host, port, request)
        else:
            connection.sendall(request)
            answer = _until_line_end(connection)
        if connection is not plain:
            connection.close()
    return answer.partition(b"\r\n")[0].decode("utf-8", "replace")


def _until_line_end(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n" not in data:
        data += _more(connection)
    return data


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionResetError(None, "the connection was closed")
    return data


def _by_websocket(connection: socket.socket, host: str, port: int, request: bytes) -> bytes:
    """The first message that comes back (RFC 7118); raises OSError for a handshake that is refused."""
    shown = f"[{host}]" if ":" in host else host
    web = ClientProtocol(parse_uri(f"ws://{shown}:{port}/"), subprotocols=[Subprotocol("sip")])
    web.send_request(web.connect())
    asked = False
    while True:
        for data in web.data_to_send():
            connection.sendall(data)
        web.receive_data(_more(connection))
        for event in web.events_received():
            if isinstance(event, Frame) and event.opcode in {Opcode.TEXT, Opcode.BINARY}:
                return bytes(event.data)
        if web.handshake_exc is not None or web.parser_exc is not None:
            raise ConnectionRefusedError(None, f"no WebSocket: {web.handshake_exc or web.parser_exc}")
        if not asked and web.state is State.OPEN:
            asked = True
            web.send_text(request)


def _secured(plain: socket.socket) -> ssl.SSLSocket:
    """Whose certificate it is has been looked at elsewhere: here only the way is tried."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain)


def _options(transport: str, host: str, port: int, mine: int) -> bytes:
    shown = f"[{host}]" if ":" in host else host
    tag = secrets.token_hex(8)
    return (
        f"OPTIONS sip:{shown}:{port} SIP/2.0\r\n"
        f"Via: SIP/2.0/{transport.upper()} {shown}:{mine};branch=z9hG4bK{tag};rport\r\n"
        f"From: <sip:check@{shown}>;tag={tag}\r\n"
        f"To: <sip:{shown}>\r\n"
        f"Call-ID: {tag}@check\r\n"
        "CSeq: 1 OPTIONS\r\n"
        "Max-Forwards: 70\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()
