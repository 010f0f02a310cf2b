"""Which digest algorithms a client is offered: what it is known to bear, and no more.

RFC 8760 §2.3 asks for one challenge an algorithm, strongest first, and §2.4 for clients that pass over what
they do not know. Real ones give up instead: some when the first challenge is not MD5, some when any of them is
not. So we offer SHA-256 and MD5 to whoever may bear it, MD5 alone to programs known to choke, and learn the
others from what they do. docs/decisions/0004 says what this costs in security: nothing.
"""

from __future__ import annotations

from itertools import islice
from typing import Final, TypeVar

from trunkline.proto.sip.digest import DEFAULT_ALGORITHMS
from trunkline.proto.sip.message import Request

_T = TypeVar("_T")

MD5_ALONE: Final = ("MD5",)
# How the User-Agent of programs begins that give up over SHA-256, in lower case: SIPp 3.6 when the first
# challenge names it, baresip before 2.0 (libre before 2.0) when any does.
_MD5_PROGRAMS: Final = ("sipp", "baresip v0.", "baresip v1.", "baresip/0.", "baresip/1.")
_LONGEST: Final = max(map(len, _MD5_PROGRAMS))
_GAVE_UP: Final = 0


class AlgorithmMemory:
    """What clients made of our challenges, by the host they speak from and the address in their From.

    A client that was challenged with both algorithms and comes back without credentials, in a new request of
    the same method, gave up: it is offered MD5 alone from then on. Right credentials say more: a client that
    used MD5 is offered MD5 alone, one that used SHA-256 both.

    Bounded: of what right credentials proved, and of what others did, the last ``capacity`` clients each,
    about 100 bytes for one; the oldest go first. Who has no password cannot push out who has one.
    """

    __slots__ = ("_asked", "_capacity", "_proven")

    def __init__(self, capacity: int = 65536) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        self._capacity = capacity
        # Keys are hash() of text, which the interpreter keys anew in each process: of a fixed size whatever a
        # peer sends, and a collision costs two clients but an offer less fitting.
        self._proven: dict[int, str] = {}
        self._asked: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._proven) + len(self._asked)

    def offer(self, request: Request, host: str) -> tuple[str, ...]:
        """The algorithms to challenge ``request`` from ``host`` with, strongest first."""
        address = _address(request)
        proven = self._proven.get(hash((host, address)))
        if proven == "MD5" or (proven is None and _is_md5_program(request)):
            return MD5_ALONE
        if "Authorization" in request.headers:
            # Refused credentials are an answer too: this client does not give up.
            self._asked.pop(hash((host, address, request.method)), None)
            return DEFAULT_ALGORITHMS
        return self._ask(request, host, address)

    def proved(self, request: Request, host: str, algorithm: str) -> None:
        """Take note that the client answered a challenge, and rightly, with ``algorithm``."""
        address = _address(request)
        client = hash((host, address))
        if self._proven.get(client) != algorithm:
            _remember(self._proven, client, algorithm, self._capacity)
        if algorithm != "MD5":
            self._asked.pop(hash((host, address, request.method)), None)

    def _ask(self, request: Request, host: str, address: str) -> tuple[str, ...]:
        client = hash((host, address, request.method))
        this = hash((request.call_id, request.cseq[0])) or 1
        asked = self._asked.get(client)
        if asked is None:
            _remember(self._asked, client, this, self._capacity)
        elif asked != this:
            self._asked[client] = _GAVE_UP
            return MD5_ALONE
        return DEFAULT_ALGORITHMS


def _address(request: Request) -> str:
    """The From without its tag."""
    value = request.headers["From"]
    head, bracket, _ = value.partition(">")
    return head if bracket else value.partition(";")[0]


def _is_md5_program(request: Request) -> bool:
    return request.headers.get("User-Agent", "")[:_LONGEST].lower().startswith(_MD5_PROGRAMS)


def _remember(table: dict[int, _T], key: int, value: _T, capacity: int) -> None:
    if len(table) >= capacity:
        # An eighth at a time: taking out the oldest alone would walk over the holes that others left.
        for old in list(islice(table, max(1, capacity // 8))):
            del table[old]
    table[key] = value
