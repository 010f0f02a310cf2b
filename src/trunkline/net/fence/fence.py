"""The fence: who is not listened to any more, because of what came from there. Pure: it reads no clock.

A **source** (``source_of``) that guesses passwords or sends what is no SIP is banned, each time for longer.
Rules that keep it from becoming a weapon:

- Only what the source must have sent itself counts in full: a wrong digest over a nonce that we sent there, or
  bytes on a connection. A datagram's address can be forged, so malformed datagrams count a tenth, in a table of
  their own, and never ban a source where somebody has proven itself; unanswered challenges count not at all,
  but beyond a number nothing more is answered for a while.
- A right password always gets in. The user whose password is being guessed is never locked: while it is, a
  source at which it has not proven itself gets one attempt instead of many.
- Behind one address sit good phones and bad ones. In a banned source a flow that has proven itself goes on, and
  so does a user who has proven itself there, whatever port it comes from next; one wrong digest takes that back.

docs/topics/security.md says what this means for operators.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from trunkline.net.fence.penalties import Penalties, Scale
from trunkline.net.fence.proofs import Proofs, Remote
from trunkline.net.fence.source import Network, is_within, source_of

_DATAGRAM_WEIGHT: Final = 0.1
STRANGERS_WINDOW_S: Final = 10.0
KNOWN_PLACES: Final = 10  # times as many strangers are answered where the address is no forged one
CALLED_PLACES: Final = 100  # and where we register or call: an exchange there asks for all whom we registered
PROOF_S: Final = 7200.0


@dataclass(frozen=True, slots=True)
class FencePolicy:
    """``strangers`` is how many requests a source may leave unproven within ``STRANGERS_WINDOW_S``: so many by
    datagram, ``KNOWN_PLACES`` times as many on connections, and where somebody has proven himself; ``CALLED_PLACES``
    times as many where we register or call.

    ``proof_s`` is how long a proof counts at least, in seconds; ``capacity`` bounds each table.
    """

    enabled: bool = True
    scale: Scale = field(default_factory=Scale)
    strangers: int = 100
    trusted: tuple[Network, ...] = ()
    proof_s: float = PROOF_S
    capacity: int = 65_536


class Ban:
    """``source`` is not heard from ``since`` to ``until``, in the caller's seconds; ``why`` is a code.

    A ban ``by_hand`` spares nobody; another one spares who has proven itself. With ``heard`` what comes is read
    all the same, because we call somebody there: his answers must arrive, though nothing else is answered.
    """

    __slots__ = ("by_hand", "heard", "since", "source", "until", "why")

    def __init__(self, source: str, since: float, until: float, why: str, *, by_hand: bool = False) -> None:
        self.source = source
        self.since = since
        self.until = until
        self.why = why
        self.by_hand = by_hand
        self.heard = False

    def __repr__(self) -> str:
        return f"Ban({self.source}, {self.why}, {self.until - self.since:g} s)"


class FenceCounters:
    """Plain counts for metrics."""

    __slots__ = ("attempts", "bans", "barred", "flooded", "muted")

    def __init__(self) -> None:
        self.attempts = 0  # wrong digests that counted
        self.bans = 0
        self.barred = 0  # datagrams and connections dropped at the socket
        self.muted = 0  # requests of a banned source that were read and not answered
        self.flooded = 0  # requests not answered because too many had come before


class Fence:
    """All bans, attempts and proofs of one program.

    ``shut`` holds the bans by source: while it is empty, nobody needs to ask. ``on_ban`` hears of each new one;
    ``is_called(source)`` says whether we register there, or call somebody who never proves himself, such as a door
    phone.
    """

    __slots__ = (
        "_called",
        "_sources",
        "_strangers",
        "_suspects",
        "_users",
        "_window_ends",
        "counters",
        "is_called",
        "on_ban",
        "policy",
        "proofs",
        "shut",
    )

    def __init__(
        self, policy: FencePolicy | None = None, on_ban: Callable[[Ban], None] = lambda _ban: None
    ) -> None:
        self.policy = policy or FencePolicy()
        self.on_ban = on_ban
        self.is_called: Callable[[str], bool] = lambda _source: False
        self.counters = FenceCounters()
        self.shut: dict[str, Ban] = {}
        self.proofs = Proofs(self.policy.proof_s)
        self._sources: Penalties[str] = Penalties(self.policy.scale, self.policy.capacity)
        self._suspects: Penalties[str] = Penalties(self.policy.scale, self.policy.capacity)
        # By hash(): what a stranger calls itself may be long.
        self._users: Penalties[int] = Penalties(self.policy.scale, self.policy.capacity)
        self._strangers: dict[str, int] = {}
        self._called: dict[str, bool] = {}  # what ``is_called`` said in this window: it may have to look long
        self._window_ends = 0.0

    def trusts(self, source: str) -> bool:
        """Whether the operator named its network: many may come from there, and nothing is held against it."""
        return bool(self.policy.trusted) and is_within(source, self.policy.trusted)

    # At the sockets, and only while ``shut`` holds something

    def bars(self, remote: Remote, now: float) -> bool:
        """Whether a datagram or a connection from there is dropped unread."""
        source = source_of(remote[0])
        ban = self._ban(source, now)
        if ban is None or ban.heard or (not ban.by_hand and source in self.proofs):
            return False
        self.counters.barred += 1
        return True

    # What requests prove

    def proved(self, remote: Remote, realm: str, user: str, now: float) -> None:
        """A request from there had the right password."""
        source = source_of(remote[0])
        self.proofs.add(remote, source, realm, user, now)
        if source in self._strangers:
            del self._strangers[source]

    def failed(self, remote: Remote, realm: str, user: str, now: float, mark: int = 0) -> None:
        """A request from there had a wrong password, or an unknown user, over a nonce that we sent there.

        ``mark`` tells requests apart: the same one again is no new attempt.
        """
        source = source_of(remote[0])
        if not self._counts(source):
            return
        self.counters.attempts += 1
        pair, name = (source, realm, user), hash((realm, user))
        at_home = pair in self.proofs
        self.proofs.discard(remote)
        if source in self.shut:
            self.proofs.discard(pair)
        hunted = self._users.is_under(name, now)
        self._users.count(name, now, mark=mark)
        if hunted and not at_home:
            self._shut(source, now, self._sources.punish(source, now), "ban.hunted_user")
        else:
            self._shut(source, now, self._sources.count(source, now, mark=mark), "ban.wrong_passwords")

    def malformed(self, remote: Remote, now: float, *, reliable: bool) -> bool:
        """What came from there is no SIP; whether it stays unanswered. ``reliable``: it came on a connection."""
        source = source_of(remote[0])
        if not self._counts(source):
            return False
        if reliable:
            self._shut(source, now, self._sources.count(source, now), "ban.malformed")
        else:
            seconds = self._suspects.count(source, now, _DATAGRAM_WEIGHT)
            if source not in self.proofs:
                self._shut(source, now, seconds, "ban.malformed")
        return self.mutes_strangers(remote, now, reliable=reliable)

    # Whether to answer

    def mutes(self, remote: Remote, realm: str, user: str, now: float) -> bool:
        """Whether a request of ``user``, as it calls itself, comes from a banned source and from nobody proven."""
        source = source_of(remote[0])
        if self._ban(source, now) is None:
            return False
        return remote not in self.proofs and (source, realm, user) not in self.proofs

    def mutes_strangers(self, remote: Remote, now: float, *, reliable: bool) -> bool:
        """Whether a request that names nobody stays unanswered: its source is banned, or it is one of too many.

        ``reliable``: it came on a connection.
        """
        if self.shut and self._ban(source_of(remote[0]), now) is not None and remote not in self.proofs:
            self.counters.muted += 1
            return True
        return self.floods(remote, now, reliable=reliable)

    def floods(self, remote: Remote, now: float, *, reliable: bool) -> bool:
        """Whether this is one of too many requests of a source that proved nothing meanwhile; it is counted.

        When the power comes back, an office asks with all its phones before the first of them has answered a
        challenge; and on a connection nobody would ask again.
        """
        source = source_of(remote[0])
        if now >= self._window_ends or len(self._strangers) >= self.policy.capacity:
            self._strangers.clear()
            self._called.clear()
            self._window_ends = now + STRANGERS_WINDOW_S
        count = self._strangers[source] = self._strangers.get(source, 0) + 1
        most = self.policy.strangers
        if count <= most or (count <= KNOWN_PLACES * most and (reliable or source in self.proofs)):
            return False
        if remote in self.proofs or not self._counts(source):
            return False
        if count <= CALLED_PLACES * most and self._calls(source):
            return False
        self.counters.flooded += 1
        return True

    def _calls(self, source: str) -> bool:
        known = self._called.get(source)
        if known is None:
            known = self._called[source] = self.is_called(source)
        return known

    def sweep(self, now: float) -> None:
        """Forget bans and proofs that are over; called now and then."""
        self.proofs.expire(now)
        if self.shut:
            self.bans(now)

    # What operators do

    def adjust(self, policy: FencePolicy) -> None:
        """Take a new policy over, but for the sizes; who is trusted now is banned no more, but by hand."""
        self.policy = policy
        for table in (self._sources, self._suspects, self._users):
            table.scale = policy.scale
        for ban in list(self.shut.values()):
            if not ban.by_hand and not self._counts(ban.source):
                del self.shut[ban.source]

    def ban(self, source: str, now: float, seconds: float) -> Ban:
        """Ban by hand; it replaces what stands."""
        ban = self.shut[source] = Ban(source, now, now + seconds, "ban.by_hand", by_hand=True)
        self.counters.bans += 1
        self.on_ban(ban)
        return ban

    def pardon(self, source: str | None, now: float) -> list[str]:
        """Lift the ban of a source, or with None all of them, and forget its attempts; whose were lifted."""
        lifted = [ban.source for ban in self.bans(now) if source in {None, ban.source}]
        for one in lifted:
            del self.shut[one]
        if source is not None:
            self._sources.forget(source)
            self._suspects.forget(source)
            return lifted
        for table in (self._sources, self._suspects, self._users):
            table.forget_all()
        return lifted

    def bans(self, now: float) -> list[Ban]:
        """Who is banned now, whose ban ends first comes first."""
        for source in [source for source, ban in self.shut.items() if now >= ban.until]:
            del self.shut[source]
        return sorted(self.shut.values(), key=lambda ban: ban.until)

    # Within

    def _ban(self, source: str, now: float) -> Ban | None:
        ban = self.shut.get(source)
        if ban is not None and now >= ban.until:
            del self.shut[source]
            return None
        return ban

    def _counts(self, source: str) -> bool:
        return self.policy.enabled and not self.trusts(source)

    def _shut(self, source: str, now: float, seconds: float, why: str) -> None:
        if not seconds:
            return
        standing = self.shut.get(source)
        if standing is not None and (standing.by_hand or standing.until >= now + seconds):
            return
        if standing is None and len(self.shut) >= self.policy.capacity:
            self._make_room()
        ban = self.shut[source] = Ban(source, now, now + seconds, why)
        ban.heard = self.is_called(source)
        self.counters.bans += 1
        self.on_ban(ban)

    def _make_room(self) -> None:
        """The ban that has lasted longest goes, but none by hand."""
        oldest = next((source for source, ban in self.shut.items() if not ban.by_hand), None)
        if oldest is not None:
            del self.shut[oldest]
