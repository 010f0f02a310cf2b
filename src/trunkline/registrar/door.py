"""The registrar's door: REGISTER in, 200 with the bindings out (RFC 3261 §10.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from trunkline.base.errors import RemoteProtocolError
from trunkline.base.story import Story
from trunkline.model.binding import Binding
from trunkline.net.flow import Flow
from trunkline.proto.sip.digest_server import Verdict
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.proto.sip.uri import parse_uri
from trunkline.registrar.admission import UnsupportedTagsError, check, claimed_user
from trunkline.registrar.answer import AnswerLines
from trunkline.registrar.commit import NotKeptError, write
from trunkline.registrar.contacts import WILDCARD, wanted_contacts
from trunkline.registrar.gruu import Gruus
from trunkline.registrar.location import Location
from trunkline.registrar.outbound import answer_lines, uses_outbound
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.registrar.ports import Accounts, Journal, Owner
from trunkline.registrar.push_desk import PushDesk
from trunkline.registrar.push_parameters import PushNotSupportedError, shown
from trunkline.registrar.push_services import PushAsk
from trunkline.registrar.refresh import plain_refresh
from trunkline.registrar.registration import Changes, IntervalTooBriefError, adopt, changes_of, renew
from trunkline.ua.authentication import Authenticator, tell_refusal
from trunkline.ua.option_tags import supports

MAX_DOMAIN: Final = 64  # characters of a stranger's domain that are told
RETRY_AFTER_S: Final = 10
# What any phone meets now and then.
_UNTOLD: Final = (Verdict.MISSING, Verdict.STALE, Verdict.MOVED)


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
    CSeq gets the same answer and changes nothing. A new binding waits for its commit, in a transaction, and
    what comes for the same address of record meanwhile waits for it.

    ``on_story(user, story)`` hears of bindings made and ended, of refusals and wrong credentials. First
    challenges and refreshes, thousands a second, have nothing to tell, and no story. ``on_attempt(tenant, user, source,
    story)`` hears the same with the tenant, "" for nobody's, and the address; ``on_stale(tenant, user, source)`` of
    nonces that have expired or moved. ``on_moved(token, binding)``
    hears that a phone which was reached by the flow ``token`` is now reached by another; not of flows of proxies, which
    others share. ``gruus`` gives phones that
    ask for them their GRUUs. ``push`` knows the phones that are woken by notifications (RFC 8599); None for a registrar
    that wakes nobody.
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
        gruus: Gruus | None = None,
        on_moved: Callable[[str, Binding], None] = lambda _token, _binding: None,
        on_attempt: Callable[[str, str, str, Story], None] = lambda _tenant, _user, _source, _story: None,
        on_stale: Callable[[str, str, str], None] = lambda _tenant, _user, _source: None,
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
        self._on_attempt = on_attempt
        self._on_stale = on_stale
        self._on_moved = on_moved
        self._gruus = gruus
        self.push: PushDesk | None = None
        self._lines = AnswerLines(gruus, policy.service_route)
        self._writing: dict[tuple[str, str], asyncio.Event] = {}

    def adjust(self, policy: RegistrarPolicy) -> None:
        """Other limits from now on."""
        self.policy = policy
        self._lines = AnswerLines(self._gruus, policy.service_route)

    def claim(self, incoming: Incoming, flow: Flow) -> bool:
        request = incoming.request
        domain = parse_uri(request.uri)
        if not domain.is_sip:
            raise RemoteProtocolError("Unsupported URI Scheme", 416)
        owner = self.accounts.owner_of(domain.host)
        if owner is None:
            self._refuse_domain(incoming, domain.host)
            return True
        tenant = owner.id
        verdict, user = self.authenticator.judge(incoming, owner.realm, owner.ha1)
        if verdict is Verdict.OK:
            self._admit(incoming, flow, tenant, user)
        elif verdict is Verdict.REPLAYED and self._changes_nothing(request, flow, tenant, user):
            # RFC 3261 §8.2.7: its first answer was lost on the way, and we keep no transaction.
            asks = self._asks(request)
            self._answer(incoming, flow, tenant, user, self._replayed(request), self._wall(), asks)
        else:
            self._challenge(incoming, owner, verdict, user)
        return True

    def _refuse_domain(self, incoming: Incoming, domain: str) -> None:
        if self.authenticator.ignores(incoming):
            return
        story = Story(incoming.now)
        shown = domain[:MAX_DOMAIN] if domain.isprintable() else "?"
        story.add(incoming.now, "register.unknown_domain", "no tenant owns this domain", domain=shown)
        self._refuse(incoming, "", "", RemoteProtocolError("Not Found", 404), story)

    def _challenge(self, incoming: Incoming, owner: Owner, verdict: Verdict, user: str) -> None:
        self.counters.challenged += 1
        self.authenticator.challenge(incoming, owner.realm, verdict)
        if verdict not in _UNTOLD:
            story = Story(incoming.now)
            tell_refusal(story, incoming.now, verdict, incoming.wire.remote[0])
            self._told(incoming, owner.id, user, story)
        elif verdict is not Verdict.MISSING:
            self._on_stale(owner.id, user, incoming.wire.remote[0])

    def _told(self, incoming: Incoming, tenant: str, user: str, story: Story) -> None:
        self._on_story(user, story)
        self._on_attempt(tenant, user or claimed_user(incoming.request), incoming.wire.remote[0], story)

    def _changes_nothing(self, request: Request, flow: Flow, tenant: str, user: str) -> bool:
        """Whether the request may be answered though its digest was used before.

        A digest covers no Contact: whoever has overheard one could bind himself to the address of record,
        if anything but the very request of before were let in.
        """
        try:
            check(request, tenant, user, self.accounts, self.policy)
            self._asks(request)
            return not changes_of(request, tenant, user, flow, self.location, self.policy, self._wall())
        except RemoteProtocolError:
            return False

    def _admit(self, incoming: Incoming, flow: Flow, tenant: str, user: str) -> None:
        if (tenant, user) in self._writing:
            incoming.begin()
            self._spawn(self._register_later(incoming, flow, tenant, user))
        else:
            self._register(incoming, flow, tenant, user)

    async def _register_later(self, incoming: Incoming, flow: Flow, tenant: str, user: str) -> None:
        while (written := self._writing.get((tenant, user))) is not None:
            await written.wait()
        self._register(incoming, flow, tenant, user)

    def _register(self, incoming: Incoming, flow: Flow, tenant: str, user: str) -> None:
        request = incoming.request
        try:
            check(request, tenant, user, self.accounts, self.policy)
            now = self._wall()
            asks = self._asks(request)
            known = self.location.all_of(tenant, user)
            until = plain_refresh(request, known, self.policy, now)
            if until is not None:
                self._renew_one(known[0], until, request, flow, now)
                self.journal.refresh(known[0])
                self.counters.refreshed += 1
                extra = self._lines.of(known, "", now, own=request.headers["Contact"])
                self._respond(incoming, extra, tenant, user, asks, now)
                return
            changes = changes_of(request, tenant, user, flow, self.location, self.policy, now)
        except RemoteProtocolError as error:
            self._refuse(incoming, tenant, user, error)
            return
        if changes.added or changes.removed:
            if incoming.transaction is None:
                incoming.begin()
            self._writing[tenant, user] = asyncio.Event()
            self._spawn(self._commit(incoming, flow, changes, tenant, user, asks))
            return
        self._renew(request, flow, changes, now)
        self._answer(incoming, flow, tenant, user, changes, now, asks)

    def _asks(self, request: Request) -> PushAsk | None:
        """What a phone wants of push; None for nearly all. Raises RemoteProtocolError, among them a 555."""
        return None if self.push is None else self.push.read(request)

    def _renew(self, request: Request, flow: Flow, changes: Changes, now: float) -> None:
        for binding, want, until in changes.refreshed:
            self._renew_one(binding, until, request, flow, now)
            adopt(binding, want, changes.path)
            self.journal.refresh(binding)
            self.counters.refreshed += 1
        for binding, epoch in changes.renamed:
            binding.epoch = epoch
            if binding not in changes.removed:
                self.journal.refresh(binding)

    def _renew_one(self, binding: Binding, until: float, request: Request, flow: Flow, now: float) -> None:
        before, by_proxy = binding.flow, bool(binding.path)
        renew(binding, until, request, flow)
        binding.refreshed_at = now
        if binding.flow != before and not by_proxy:
            self._on_moved(before, binding)

    async def _commit(
        self,
        incoming: Incoming,
        flow: Flow,
        changes: Changes,
        tenant: str,
        user: str,
        asks: PushAsk | None,
    ) -> None:
        """A binding counts once it is on disk: the phone may rely on a 200 after our restart."""
        story = Story(incoming.now)
        try:
            for binding in changes.removed:
                self.location.remove(binding)
            await write(changes, self.journal)
        except NotKeptError as error:
            story.add(incoming.now, "register.not_kept", f"the binding could not be written: {error}")
            self._refuse(incoming, tenant, user, RemoteProtocolError("Service Unavailable", 503), story)
        else:
            for binding in changes.added:
                self.location.add(binding)
            now = self._wall()
            self._renew(incoming.request, flow, changes, now)
            self._tell(changes, incoming, tenant, user, story)
            if self.push is not None:
                self.push.changed(tenant, user, changes, left=incoming.request.headers["Contact"] == WILDCARD)
            self._answer(incoming, flow, tenant, user, changes, now, asks)
        finally:
            self._writing.pop((tenant, user)).set()

    def _tell(self, changes: Changes, incoming: Incoming, tenant: str, user: str, story: Story) -> None:
        at = incoming.now
        self.counters.registered += len(changes.added)
        self.counters.removed += len(changes.removed)
        for binding in changes.removed:
            story.add(at, "register.unbound", f"{user} left {shown(binding.contact)}")
        for binding in changes.added:
            story.add(
                at,
                "register.bound",
                f"{user} is reached at {shown(binding.contact)}",
                received=binding.received,
            )
            for old in changes.removed:
                if old.instance is not None and old.instance == binding.instance and not old.path:
                    self._on_moved(old.flow, binding)
        self._told(incoming, tenant, user, story)

    def _replayed(self, request: Request) -> Changes:
        """What the 200 of a request that came before said of it."""
        changes = Changes(request.headers.get("Path", ""))
        wanted = wanted_contacts(request, self.policy.default_expires_s)
        changes.outbound = uses_outbound(request, wanted, changes.path)
        return changes

    def _answer(
        self,
        incoming: Incoming,
        flow: Flow,
        tenant: str,
        user: str,
        changes: Changes,
        now: float,
        asks: PushAsk | None,
    ) -> None:
        request = incoming.request
        domain = ""
        if self._gruus is not None and "Supported" in request.headers and supports(request, "gruu"):
            domain = self.accounts.domain_of(tenant)
        own = request.headers.get("Contact", "")
        extra = self._lines.of(self.location.of(tenant, user, now), changes.path, now, domain, own)
        if changes.outbound:
            extra += answer_lines(flow, self.policy)
        self._respond(incoming, extra, tenant, user, asks, now)

    def _respond(
        self, incoming: Incoming, extra: str, tenant: str, user: str, asks: PushAsk | None, now: float
    ) -> None:
        if asks is None or self.push is None:
            incoming.respond(200, extra=extra)
            return
        incoming.respond(200, extra=extra + self.push.lines(asks, tenant, user))
        # RFC 8599 §5.6.2: what waits for the phone goes after the 2xx of its REGISTER.
        self.push.registered(asks, tenant, user, now)

    def _refuse(
        self,
        incoming: Incoming,
        tenant: str,
        user: str,
        error: RemoteProtocolError,
        story: Story | None = None,
    ) -> None:
        self.counters.refused += 1
        story = story or Story(incoming.now)
        why = f": {error.why}" if isinstance(error, PushNotSupportedError) else ""
        text = f"{error.status} {error.reason}{why}"
        story.add(incoming.now, "register.refused", text, status=error.status)
        extra = ""
        if isinstance(error, IntervalTooBriefError):
            extra = f"Min-Expires: {self.policy.min_expires_s}\r\n"
        elif isinstance(error, UnsupportedTagsError):
            extra = f"Unsupported: {error.tags}\r\n"
        elif error.status == 503:
            extra = f"Retry-After: {RETRY_AFTER_S}\r\n"
        incoming.respond(error.status, reason=error.reason if error.status == 400 else "", extra=extra)
        self._told(incoming, tenant, user, story)
