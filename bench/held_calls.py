"""Places calls through a B2BUA and holds them, so that rtp_load can send media through its relay.

A program of its own (`python -m bench.held_calls --calls N --ports-file FILE`). Every caller offers the
address `plan.MEDIA_A` and every callee answers `plan.MEDIA_B`: rtp_load tells the calls apart by their SSRC.
The file gets the server's two media ports, a line a call; then `ready N` is printed. Requests that come while
the calls are held are answered. When standard input is closed, all calls are hung up.
"""

import argparse
import re
import select
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.digest import credentials, md5_challenge
from bench.ng import Ports, audio_port, sdp
from bench.plan import (
    CALLEE,
    CALLEE_NUMBER,
    CALLER,
    CALLER_NUMBER,
    DOMAIN,
    MEDIA_A,
    MEDIA_B,
    PASSWORD,
    SERVER,
    Address,
)
from bench.process import BenchError

ANSWER_TIMEOUT_S = 5.0
ACK_TIMEOUT_S = 2.0
RECEIVE_BUFFER = 4 << 20


def header_values(message: str, name: str) -> list[str]:
    """The values of a header, one a line; no server we measure writes short forms or folds lines."""
    return re.findall(rf"^{name}\s*:\s*(.*?)\r?$", message, re.IGNORECASE | re.MULTILINE)


def header(message: str, name: str) -> str:
    """The first value of a header, or an empty string."""
    return next(iter(header_values(message, name)), "")


def status_of(message: str) -> int:
    """The status of a response; 0 for a request."""
    return int(message[8:11]) if message.startswith("SIP/2.0 ") else 0


def assemble(lines: list[str], body: str) -> bytes:
    """A whole message from its start line, headers and body."""
    if body:
        lines = [*lines, "Content-Type: application/sdp"]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body]).encode()


@dataclass(slots=True)
class Dialog:
    """The caller's view of one call."""

    call_id: str
    target: str = f"sip:{CALLEE_NUMBER}@{SERVER}"
    remote_tag: str = ""
    routes: tuple[str, ...] = ()
    cseq: int = 1
    transactions: int = 0

    @property
    def branch(self) -> str:
        """The branch of the latest request."""
        return f"z9hG4bK{self.call_id}x{self.transactions}"

    def request(self, method: str, body: str = "", authorization: str = "") -> bytes:
        """The next request of this dialog."""
        self.transactions += 1
        tag = f";tag={self.remote_tag}" if self.remote_tag else ""
        lines = [f"{method} {self.target} SIP/2.0", f"Via: SIP/2.0/UDP {CALLER};branch={self.branch}"]
        lines += ["Max-Forwards: 70", *(f"Route: {route}" for route in self.routes)]
        lines += [f"From: <sip:{CALLER_NUMBER}@{DOMAIN}>;tag=caller{self.call_id}"]
        lines += [f"To: <sip:{CALLEE_NUMBER}@{DOMAIN}>{tag}", f"Call-ID: {self.call_id}@{CALLER.ip}"]
        lines += [f"CSeq: {self.cseq} {method}", f"Contact: <sip:{CALLER_NUMBER}@{CALLER}>"]
        return assemble([*lines, *([authorization] if authorization else [])], body)


class Side:
    """One end of all calls: a socket, the address of its media, and answers to whatever is asked."""

    def __init__(self, address: Address, media: Address) -> None:
        self.address, self.media = address, media
        self.offered_port = 0
        """The relay's port in the latest INVITE that came to this side."""
        self.acknowledged = False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self.socket.bind(address)

    def receive(self) -> str:
        """Take one message: a response is returned, a request is answered and "" returned."""
        data, source = self.socket.recvfrom(65535)
        message = data.decode("latin-1")
        if not status_of(message):
            self._on_request(message, source)
            return ""
        return message

    def _on_request(self, message: str, source: tuple[str, int]) -> None:
        method = message.split(" ", 1)[0]
        if method == "ACK":
            self.acknowledged = True
        elif method == "INVITE":
            self.offered_port = audio_port(message)
            if "tag=" not in header(message, "To"):
                self._answer(message, source, "180 Ringing")
            self._answer(message, source, "200 OK", sdp(self.media))
        else:
            self._answer(message, source, "200 OK")

    def _answer(self, request: str, source: tuple[str, int], status: str, body: str = "") -> None:
        to = header(request, "To")
        lines = [f"SIP/2.0 {status}"]
        for name in ("Via", "Record-Route"):
            lines += [f"{name}: {value}" for value in header_values(request, name)]
        lines += [f"{name}: {header(request, name)}" for name in ("From", "Call-ID", "CSeq")]
        lines += [
            f"To: {to}" if "tag=" in to else f"To: {to};tag=callee",
            f"Contact: <sip:bench@{self.address}>",
        ]
        self.socket.sendto(assemble(lines, body), source)


class HeldCalls:
    """All calls of one measurement, placed one after the other."""

    def __init__(self) -> None:
        self._caller, self._callee = Side(CALLER, MEDIA_A), Side(CALLEE, MEDIA_B)
        self._dialogs: list[Dialog] = []

    def place(self) -> Ports:
        """One more call; returns the server's media ports. Raises BenchError when it is not answered."""
        dialog = Dialog(f"held{time.time_ns()}n{len(self._dialogs)}")
        self._callee.acknowledged = False
        self._send(dialog.request("INVITE", sdp(MEDIA_A)))
        status, answer = self._final_response(dialog)
        if status in {401, 407}:
            status, answer = self._invite_with_credentials(dialog, status, answer)
        if status != 200:
            raise BenchError(f"call {len(self._dialogs) + 1}: {status or 'no answer'}")
        self._establish(dialog, answer)
        self._dialogs.append(dialog)
        return Ports(audio_port(answer), self._callee.offered_port)

    def serve(self, seconds: float) -> bool:
        """Answer requests for that long; False as soon as standard input is closed."""
        return self._step(seconds, with_input=True) is not None

    def hang_up(self) -> int:
        """End all calls; returns how many BYEs were not answered with 200."""
        failed = 0
        for dialog in self._dialogs:
            dialog.cseq += 1
            self._send(dialog.request("BYE"))
            failed += self._final_response(dialog)[0] != 200
        return failed

    def _send(self, message: bytes) -> None:
        self._caller.socket.sendto(message, SERVER)

    def _invite_with_credentials(self, dialog: Dialog, status: int, answer: str) -> tuple[int, str]:
        self._acknowledge_refusal(dialog, answer)
        name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
        challenge = md5_challenge(header_values(answer, name))
        if challenge is None:
            raise BenchError(f"no MD5 among the challenges of the {status}")
        answering = "Authorization" if status == 401 else "Proxy-Authorization"
        value = credentials(challenge, "INVITE", dialog.target, CALLER_NUMBER, PASSWORD)
        dialog.cseq += 1
        self._send(dialog.request("INVITE", sdp(MEDIA_A), f"{answering}: {value}"))
        return self._final_response(dialog)

    def _acknowledge_refusal(self, dialog: Dialog, answer: str) -> None:
        """RFC 3261 §17.1.1.3: the ACK has the branch of the INVITE and the To of its response."""
        dialog.transactions -= 1
        dialog.remote_tag = _tag(header(answer, "To"))
        self._send(dialog.request("ACK"))
        dialog.remote_tag = ""

    def _establish(self, dialog: Dialog, answer: str) -> None:
        contact = re.search(r"sips?:[^>\s]*", header(answer, "Contact"))
        dialog.target = contact[0] if contact else dialog.target
        dialog.remote_tag = _tag(header(answer, "To"))
        dialog.routes = tuple(reversed(header_values(answer, "Record-Route")))
        self._send(dialog.request("ACK"))
        deadline = time.monotonic() + ACK_TIMEOUT_S
        while not self._callee.acknowledged and time.monotonic() < deadline:
            self._step(ACK_TIMEOUT_S)

    def _final_response(self, dialog: Dialog) -> tuple[int, str]:
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while (left := deadline - time.monotonic()) > 0:
            message = self._step(left) or ""
            if status_of(message) >= 200 and f"branch={dialog.branch}" in header(message, "Via"):
                return status_of(message), message
        return 0, ""

    def _step(self, timeout_s: float, *, with_input: bool = False) -> str | None:
        """Take what has arrived: a response to the caller, "" for anything else, None at the end of input."""
        sockets = [self._callee.socket, self._caller.socket]
        ready, _, _ = select.select([*sockets, *([sys.stdin] if with_input else [])], [], [], timeout_s)
        if self._callee.socket in ready:
            self._callee.receive()
        if self._caller.socket in ready:
            return self._caller.receive()
        return None if sys.stdin in ready else ""


def _tag(name_addr: str) -> str:
    return name_addr.partition(";tag=")[2].partition(";")[0]


def main() -> int:
    """Place, hold, hang up."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--ports-file", type=Path, required=True)
    options = parser.parse_args()
    held = HeldCalls()
    try:
        lines = [held.place().line() for _ in range(options.calls)]
        options.ports_file.write_text("\n".join(lines) + "\n")
        print("ready", len(lines), flush=True)
        while held.serve(1.0):
            pass
    except BenchError as error:
        print(error, flush=True)
        return 1
    print(held.hang_up(), "without 200", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
