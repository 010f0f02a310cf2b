"""Where a call goes: pure decisions, so that a dry run is the same code (identify, normalise, route)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, TypeAlias

from trunkline.base.story import Step, Value
from trunkline.pbx.directory import Directory, Entry, Reach
from trunkline.trunking.trunk import Trunk

MAX_DIALLED: Final = 128
"""Characters; more is no number, and stories keep what was dialled."""
# What people type between digits (RFC 3966 §5.1.1 visual separators).
_SEPARATORS: Final = str.maketrans("", "", "-.() ")


Load: TypeAlias = Callable[[str, str], int]
"""How many calls (tenant, number) has, made and received."""


def nobody_talks(_tenant: str, _number: str) -> int:
    """The load of an exchange that is not running."""
    return 0


class Service(StrEnum):
    """Numbers that the exchange answers itself."""

    ECHO = "echo"
    TONE = "tone"
    TIME = "time"
    TALK_BACK = "talk-back"


SERVICE_NUMBERS: Final[dict[str, Service]] = {
    "9195": Service.TIME,
    "9196": Service.ECHO,
    "9197": Service.TONE,
    "9198": Service.TALK_BACK,
}

CONFERENCE_PREFIX: Final = "*6"
"""Before 1 to 12 digits: the conference room of that number."""
_ROOM: Final = re.compile(r"\*6([0-9]{1,12})")

PICKUP_PREFIX: Final = "**"
"""Before an extension's number: pick up the call that rings there."""


@dataclass(frozen=True, slots=True)
class CallRequest:
    """What is known of a call before it is decided: ``caller`` is an authenticated extension of ``tenant``."""

    tenant: str
    caller: str
    dialled: str
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What decisions look at; nothing else."""

    directory: Directory
    reach: Reach
    load: Load = nobody_talks
    """How many calls an extension has now."""
    most: Callable[[], int] = lambda: 0
    """How many it may have when it has no limit of its own; 0 for any number."""
    trunk: Callable[[str, str], Trunk | None] = lambda _tenant, _number: None
    """The trunk of a tenant that takes a number; None when none does."""
    sockets: Callable[[str], bool] = lambda _number: False
    """Whether a number is that of a program that callers talk to."""
    asleep: Reach = lambda _tenant, _number: 0
    """How many phones an extension has that are not registered, and can be woken by a push."""

    def is_full(self, tenant: str, entry: Entry, most: int) -> bool:
        """Whether an extension has as many calls as it may: ``most``, unless it has a limit of its own."""
        if entry.max_calls is not None:
            most = entry.max_calls
        return 0 < most <= self.load(tenant, entry.number)


class Decision:
    """An outcome with its steps: one of ``extension``, ``service``, ``room``, ``socket``, ``trunk``, ``status`` is set.

    ``status`` is the SIP status of a refusal with its ``code``; ``number`` the dialled number as normalised.
    ``pickup`` is the number whose ringing call is asked for; the refusal beside it is for when nothing rings there.
    """

    __slots__ = (
        "code",
        "extension",
        "number",
        "pickup",
        "room",
        "service",
        "socket",
        "status",
        "steps",
        "trunk",
    )

    def __init__(self, number: str) -> None:
        self.number = number
        self.steps: list[Step] = []
        self.extension: Entry | None = None
        self.service: Service | None = None
        self.room = ""
        self.socket = ""
        self.trunk: Trunk | None = None
        self.status = 0
        self.code = ""
        self.pickup = ""


class _Tell(Protocol):
    def __call__(self, code: str, text: str, **data: Value) -> None: ...


def decide(request: CallRequest, snapshot: Snapshot) -> Decision:
    """Route one call."""
    number = normalise(request.dialled[: MAX_DIALLED + 1])
    decision = Decision(number)

    def tell(code: str, text: str, **data: Value) -> None:
        decision.steps.append(Step(request.at, code, text, data or None))

    def refuse(status: int, code: str, text: str) -> Decision:
        tell(code, text, status=status)
        decision.status, decision.code = status, code
        return decision

    most = snapshot.most()
    why_not = _unfit(request, number, snapshot, most)
    if why_not is not None:
        return refuse(*why_not)
    if number != request.dialled:
        tell("number.normalised", f"{request.dialled} is read as {number}")
    entry = snapshot.directory.extension(request.tenant, number)
    if entry is not None:
        if not _reach(entry, request, snapshot, tell):
            return refuse(480, "route.not_registered", f"{entry.number} is not registered")
        if snapshot.is_full(request.tenant, entry, most):
            return refuse(486, "limit.callee", f"{entry.number} has as many calls as it may have at once")
        decision.extension = entry
        return decision
    if _is_ours(request.tenant, number, snapshot, decision, tell):
        return decision
    # Peers have no number of ours, and who is none of ours calls nobody at our cost.
    decision.trunk = trunk = snapshot.trunk(request.tenant, number) if request.caller else None
    if trunk is not None:
        name = trunk.plan.name
        tell("route.trunk", f"{number} goes out by {name} ({trunk.state})", trunk=name)
    else:
        refuse(404, "route.unknown_number", f"{number} is neither an extension nor a service")
    return decision


def _is_ours(tenant: str, number: str, snapshot: Snapshot, decision: Decision, tell: _Tell) -> bool:
    """Whether the exchange itself does what is dialled."""
    service = SERVICE_NUMBERS.get(number)
    if service is not None:
        tell("route.service", f"{number} is the {service} service")
        decision.service = service
        return True
    room = _ROOM.fullmatch(number)
    if room is not None:
        tell("route.conference", f"{number} is the conference room {room[1]}")
        decision.room = room[1]
        return True
    if snapshot.sockets(number):
        tell("route.audio_socket", f"{number} is a program's")
        decision.socket = number
        return True
    wanted = number.removeprefix(PICKUP_PREFIX)
    if wanted != number and snapshot.directory.extension(tenant, wanted) is not None:
        decision.pickup = wanted
        tell("route.pickup", f"the call that rings at {wanted} is asked for")
        decision.status, decision.code = 480, "pickup.nothing_rings"
        return True
    return False


def _unfit(request: CallRequest, number: str, snapshot: Snapshot, most: int) -> tuple[int, str, str] | None:
    """Status, code and words for a call that is refused whoever was dialled."""
    caller = snapshot.directory.extension(request.tenant, request.caller)
    if caller is not None and snapshot.is_full(request.tenant, caller, most):
        return 403, "limit.caller", f"{caller.number} has as many calls as it may have at once"
    if not number:
        return 404, "route.no_number", "no number was dialled"
    if len(request.dialled) > MAX_DIALLED:
        return 404, "route.unknown_number", f"a number has at most {MAX_DIALLED} characters"
    return None


def _reach(entry: Entry, request: CallRequest, snapshot: Snapshot, tell: _Tell) -> bool:
    """Whether the extension can be rung anywhere."""
    name = f" ({entry.name})" if entry.name else ""
    tell("route.extension", f"{entry.number}{name} is an extension")
    contacts = snapshot.reach(request.tenant, entry.number)
    asleep = snapshot.asleep(request.tenant, entry.number)
    if contacts == 0 and asleep == 0 and entry.contact is None:
        return False
    places = ([f"{contacts} registered"] if contacts else []) + (["1 fixed"] if entry.contact else [])
    places += [f"{asleep} asleep"] if asleep else []
    tell("route.contacts", f"contacts to ring: {', '.join(places)}", contacts=contacts)
    return True


def normalise(dialled: str) -> str:
    """A dialled number without visual separators; names (``anna``, ``u100000``) stay as they are."""
    bare = dialled.translate(_SEPARATORS)
    return bare if bare.isascii() and bare.removeprefix("+").isdigit() else dialled
