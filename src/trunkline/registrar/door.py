"""The registrar's door: REGISTER in, 200 with the bindings out."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from trunkline.base.errors import RemoteProtocolError, TrunklineError
from trunkline.base.story import Story
from trunkline.model.binding import Binding
from trunkline.net.flow import Flow
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.name_addr import parse_name_addr
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.proto.sip.uri import parse_uri
from trunkline.registrar.location import Location
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.registrar.ports import Accounts, Journal
from trunkline.registrar.registration import Changes, IntervalTooBrief, changes_of, renew
from trunkline.ua.authentication import Authenticator


class RegistrarCounters:
    """Plain counts for metrics."""

    __slots__ = ("challenged", "refreshed", "refused", "registered", "removed")

    def __init__(self) -> None:
        self.registered = 0
        self.refreshed = 0
        self.removed = 0
        self.challenged = 0
        self.refused = 0


class RegistrarDoor:
    """Claims every REGISTER.

    Challenges and refreshes are answered without a transaction: a retransmission with equal Call-ID and
    CSeq gets the same answer and changes nothing. A new binding waits for its commit, in a transaction.
    ``on_change(binding, what)`` hears of ``added`` and ``removed`` bindings.
    """

    methods = frozenset({"REGISTER"})

    def __init__(
        self,
        accounts: Accounts,
        location: Location,
        journal: Journal,
        authenticator: Authenticator,
        policy: RegistrarPolicy,
        *,
        wall: Callable[[], float],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        on_story: Callable[[str, Story], None] = lambda _user, _story: None,
    ) -> None:
        self.accounts = accounts
        self.location = location
        self.journal = journal
        self.authenticator = authenticator
        self.policy = policy
        self.counters = RegistrarCounters()
        self._wall = wall
        self._spawn = spawn
        self._on_story = on_story

    def claim(self, incoming: Incoming, flow: Flow) -> bool:
        request = incoming.request
        story = Story(incoming.now)
        tenant = self.accounts.tenant_of(parse_uri(request.uri).host)
        if tenant is None:
            story.add(incoming.now, "register.unknown_domain", "no tenant owns this domain")
            self._refuse(incoming, story, RemoteProtocolError("Not Found", 404), "")
            return True
        user = self.authenticator.admit(
            incoming,
            self.accounts.realm_of(tenant),
            self.accounts.credentials(tenant),
            story,
            is_repeat=lambda username: self._is_repeat(request, tenant, username),
        )
        if user is None:
            self.counters.challenged += 1
            return True
        try:
            self._register(incoming, flow, tenant, user, story)
        except RemoteProtocolError as error:
            self._refuse(incoming, story, error, user)
        return True

    def _is_repeat(self, request: Request, tenant: str, user: str) -> bool:
        """A REGISTER that would change nothing: a query, or the one that made a binding what it is."""
        if "Contact" not in request.headers:
            return True
        number = request.cseq[0]
        return any(
            binding.call_id == request.call_id and binding.cseq == number
            for binding in self.location.all_of(tenant, user)
        )

    def _register(self, incoming: Incoming, flow: Flow, tenant: str, user: str, story: Story) -> None:
        request = incoming.request
        if not _is_aor_of(request.headers["To"], user) or not self.accounts.knows(tenant, user):
            # RFC 3261 §10.3 step 4: nobody registers for another.
            raise RemoteProtocolError("Forbidden", 403)
        now = self._wall()
        changes = changes_of(request, tenant, user, flow, self.location, self.policy, now)
        for binding, contact, until in changes.refreshed:
            renew(binding, contact, request, flow, until)
            self.journal.refresh(binding)
            self.counters.refreshed += 1
        if changes.added or changes.removed:
            incoming.begin()
            self._spawn(self._commit(incoming, changes, tenant, user, story))
            return
        story.add(incoming.now, "register.refreshed", f"{user} refreshed")
        self._answer(incoming, request, tenant, user, now)

    async def _commit(
        self, incoming: Incoming, changes: Changes, tenant: str, user: str, story: Story
    ) -> None:
        """A binding counts once it is on disk: the phone may rely on a 200 after our restart."""
        for binding in changes.removed:
            self.location.remove(binding)
        for binding in changes.added:
            self.location.add(binding)
        try:
            for waiting in [self.journal.gone(b) for b in changes.removed] + [
                self.journal.new(b) for b in changes.added
            ]:
                await waiting
        except TrunklineError as error:
            for binding in changes.added:
                self.location.remove(binding)
            story.add(incoming.now, "register.not_kept", f"the binding could not be written: {error}")
            self._refuse(incoming, story, RemoteProtocolError("Service Unavailable", 503), user)
            return
        self.counters.registered += len(changes.added)
        self.counters.removed += len(changes.removed)
        self._tell(changes, user, story, incoming.now)
        self._answer(incoming, incoming.request, tenant, user, self._wall())

    def _tell(self, changes: Changes, user: str, story: Story, at: float) -> None:
        for binding in changes.added:
            story.add(
                at, "register.bound", f"{user} is reached at {binding.contact}", received=binding.received
            )
        for binding in changes.removed:
            story.add(at, "register.unbound", f"{user} left {binding.contact}")
        self._on_story(user, story)

    def _answer(self, incoming: Incoming, request: Request, tenant: str, user: str, now: float) -> None:
        lines = [
            f"Contact: <{b.contact}>;expires={max(0, round(b.expires_at - now))}{_q(b)}\r\n"
            for b in self.location.of(tenant, user, now)
        ]
        incoming.respond(200, extra="".join(lines))

    def _refuse(self, incoming: Incoming, story: Story, error: RemoteProtocolError, user: str) -> None:
        self.counters.refused += 1
        story.add(incoming.now, "register.refused", f"{error.status} {error.reason}", status=error.status)
        extra = f"Min-Expires: {self.policy.min_expires_s}\r\n" if isinstance(error, IntervalTooBrief) else ""
        incoming.respond(error.status, extra=extra)
        self._on_story(user, story)


def _is_aor_of(to: str, user: str) -> bool:
    """Whether a To header names the user; the common form is told without parsing it."""
    if to.startswith(f"<sip:{user}@"):
        return True
    return parse_name_addr(to).address.user == user


def _q(binding: Binding) -> str:
    return "" if binding.q == 1000 else f";q={binding.q / 1000:g}"
