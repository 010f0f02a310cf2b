"""rtpengine's control protocol NG: a cookie and a bencoded dictionary a datagram, over UDP.

https://rtpengine.readthedocs.io/en/latest/ng_control_protocol.html
"""

import base64
import itertools
import os
import re
import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from bench.plan import Address
from bench.process import BenchError

ATTEMPTS = 10
ANSWER_TIMEOUT_S = 2.0
SRTP_SUITE = "AES_CM_128_HMAC_SHA1_80"
SRTP_KEY_BYTES = 30

Value = int | str | bytes | Sequence["Value"] | Mapping[str, "Value"]


def encode(value: Value) -> bytes:
    """Bencode an integer, a string, a list or a dictionary (its keys in order)."""
    match value:
        case int():
            return b"i%de" % value
        case str():
            return encode(value.encode())
        case bytes():
            return b"%d:%s" % (len(value), value)
        case Mapping():
            pairs = (encode(key) + encode(value[key]) for key in sorted(value))
            return b"d" + b"".join(pairs) + b"e"
        case _:
            return b"l" + b"".join(map(encode, value)) + b"e"


def decode(data: bytes) -> Value:
    """The first bencoded value in `data`; raises ValueError when it is none."""
    return _decode_at(data, 0)[0]


def _decode_at(data: bytes, at: int) -> tuple[Value, int]:
    match data[at : at + 1]:
        case b"i":
            end = data.index(b"e", at)
            return int(data[at + 1 : end]), end + 1
        case b"l":
            return _decode_items(data, at + 1)
        case b"d":
            items, end = _decode_items(data, at + 1)
            keys = [key.decode() for key in items[::2] if isinstance(key, bytes)]
            return dict(zip(keys, items[1::2], strict=True)), end
        case _:
            colon = data.index(b":", at)
            end = colon + 1 + int(data[at:colon])
            return data[colon + 1 : end], end


def _decode_items(data: bytes, at: int) -> tuple[list[Value], int]:
    items: list[Value] = []
    while data[at : at + 1] != b"e":
        item, at = _decode_at(data, at)
        items.append(item)
    return items, at + 1


@dataclass(frozen=True, slots=True)
class Ports:
    """One relayed call: side A sends to `a`, side B to `b`; with SRTP on side B its two keys (base64)."""

    a: int
    b: int
    key_to_relay: str = ""
    key_from_relay: str = ""

    def line(self) -> str:
        """As rtp_load reads it."""
        return " ".join(map(str, filter(None, (self.a, self.b, self.key_to_relay, self.key_from_relay))))


def sdp(media: Address, *, key: str = "", crypto_tag: int = 1) -> str:
    """One G.711 stream at `media`; with a key as RTP/SAVP with SDES (RFC 4568)."""
    profile = "RTP/SAVP" if key else "RTP/AVP"
    crypto = f"a=crypto:{crypto_tag} {SRTP_SUITE} inline:{key}\r\n" if key else ""
    return (
        f"v=0\r\no=- 1 1 IN IP4 {media.ip}\r\ns=-\r\nc=IN IP4 {media.ip}\r\nt=0 0\r\n"
        f"m=audio {media.port} {profile} 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\n{crypto}"
    )


def audio_port(text: str) -> int:
    """The port of the first audio line of an SDP; raises BenchError when there is none."""
    found = re.search(r"^m=audio (\d+)", text, re.MULTILINE)
    if not found:
        raise BenchError("the SDP has no audio line")
    return int(found[1])


def _crypto(text: str) -> tuple[int, str]:
    found = re.search(rf"a=crypto:(\d+) {SRTP_SUITE} inline:([^|\s]+)", text)
    if not found:
        raise BenchError(f"the SDP offers no {SRTP_SUITE}")
    return int(found[1]), found[2]


class Control:
    """A client of one rtpengine."""

    def __init__(self, server: Address) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(server)
        self._socket.settimeout(ANSWER_TIMEOUT_S)
        self._cookies = itertools.count()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def ask(self, command: str, **fields: Value) -> dict[str, Value]:
        """Send a command and return its answer; raises BenchError on refusal or after ten silent attempts."""
        cookie = b"%d_%d" % (os.getpid(), next(self._cookies))
        request = {"command": command, **{name.replace("_", "-"): value for name, value in fields.items()}}
        message = cookie + b" " + encode(request)
        for _ in range(ATTEMPTS):
            try:
                self._socket.send(message)
                answer = self._answer_to(cookie)
            except TimeoutError:
                continue
            except ConnectionRefusedError:
                time.sleep(0.5)  # it does not listen yet
                continue
            if answer.get("result") not in {b"ok", b"pong"}:
                raise BenchError(f"rtpengine refused {command}: {answer}")
            return answer
        raise BenchError("rtpengine does not answer")

    def _answer_to(self, cookie: bytes) -> dict[str, Value]:
        while True:
            found, body = self._socket.recv(65535).split(b" ", 1)
            answer = decode(body)
            if found == cookie and isinstance(answer, dict):
                return answer

    def open_call(self, call_id: str, a: Address, b: Address, *, srtp: bool) -> Ports:
        """Offer from side A and answer from side B; with `srtp` side B speaks SRTP."""
        who: dict[str, Value] = {"call_id": call_id, "from_tag": "a", "ICE": "remove"}
        secure: dict[str, Value] = {"transport_protocol": "RTP/SAVP"} if srtp else {}
        offer = _sdp_of(self.ask("offer", sdp=sdp(a), replace=["origin"], **who, **secure))
        if not srtp:
            answer = _sdp_of(self.ask("answer", sdp=sdp(b), to_tag="b", **who))
            return Ports(audio_port(answer), audio_port(offer))
        key = base64.b64encode(secrets.token_bytes(SRTP_KEY_BYTES)).decode()
        crypto_tag, relay_key = _crypto(offer)
        side_b = sdp(b, key=key, crypto_tag=crypto_tag)
        plain: dict[str, Value] = {"transport_protocol": "RTP/AVP"}
        answer = _sdp_of(self.ask("answer", sdp=side_b, to_tag="b", **who, **plain))
        return Ports(audio_port(answer), audio_port(offer), key, relay_key)

    def close_call(self, call_id: str) -> None:
        """Delete a call at once."""
        self.ask("delete", call_id=call_id, from_tag="a", delete_delay=0)


def _sdp_of(answer: dict[str, Value]) -> str:
    text = answer["sdp"]
    return text.decode() if isinstance(text, bytes) else ""
