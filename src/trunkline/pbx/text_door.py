"""The door for texts: MESSAGE between our extensions (RFC 3428)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from trunkline.base.errors import CallFailed, RemoteProtocolError
from trunkline.base.story import Story
from trunkline.call.context import CallContext
from trunkline.call.party import Party
from trunkline.message.queue import TextQueue
from trunkline.net.flow import Flow
from trunkline.pbx.directory import Directory, Entry, Reach
from trunkline.pbx.door import printable
from trunkline.pbx.one_phone import FindPhone, phone_of
from trunkline.pbx.route import CallRequest, Decision, Snapshot, decide
from trunkline.pbx.text_fork import text_of
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.reasons import reason_phrase
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.proto.sip.uri import SipUri, is_sips, parse_uri
from trunkline.ua.authentication import Authenticator
from trunkline.ua.door import flow_of
from trunkline.ua.option_tags import unsupported

MAX_BODY: Final = 65_536
# RFC 3428 §8: what does not fit into 1300 bytes goes by a transport that heeds congestion.
MAX_DATAGRAM_BODY: Final = 1_300
MOST_IN_FLIGHT: Final = 2_000
MOST_OF_ONE: Final = 20

_SUPPORTED: Final[frozenset[str]] = frozenset()
_RETRY: Final = "Retry-After: 5\r\n"

OnOver = Callable[[str, str, int, Story], None]


class TextDoor:
    """Claims MESSAGEs outside of dialogs: challenges, decides and passes them on; a draining exchange too.

    ``on_refused(source, story)`` hears of wrong credentials, ``on_over(from, to, status, story)`` of each text that
    was decided; what becomes of one that was kept is told by the queue. What a text says is told to nobody.
    """

    methods = frozenset({"MESSAGE"})

    def __init__(
        self,
        directory: Directory,
        reach: Reach,
        authenticator: Authenticator,
        context: CallContext,
        queue: TextQueue,
        on_refused: Callable[[str, Story], None] = lambda _source, _story: None,
        on_over: OnOver = lambda _from, _to, _status, _story: None,
    ) -> None:
        self._directory = directory
        self._snapshot = Snapshot(directory, reach)  # how many calls somebody has is no matter
        self._authenticator = authenticator
        self._context = context
        self._queue = queue
        self._on_refused = on_refused
        self._on_over = on_over
        self._of_one: Counter[tuple[str, str]] = Counter()
        self.find_phone: FindPhone | None = None
        """Set by whoever knows GRUUs."""
        self.in_flight = 0

    def claim(self, incoming: Incoming, flow: Flow) -> bool:
        request = incoming.request
        refusal = refusal_of(request, reliable=flow.reliable)
        if refusal is not None:
            self._refuse(incoming, *refusal)
            return True
        address = parse_uri(request.uri)
        owner = self._directory.owner_of(address.host)
        if owner is None:
            self._refuse(incoming, 404)
            return True
        story = Story(incoming.now)
        user = self._authenticator.admit(incoming, owner.realm, owner.ha1, story)
        if user is not None:
            self._take(incoming, owner.id, user, self._written_to(owner.id, address), story)
        elif story.last_code == "auth.wrong":
            self._on_refused(flow.remote[0], story)
        return True

    def _refuse(self, incoming: Incoming, status: int, extra: str = "") -> None:
        """Before we know who writes, and so only as often as strangers are answered at all."""
        if not self._authenticator.ignores(incoming):
            incoming.respond(status, extra=extra)

    def _written_to(self, tenant: str, address: SipUri) -> str:
        """The number that a Request-URI names; a temporary GRUU hides it (RFC 5627 §3.1.2)."""
        phone = phone_of(address, tenant, self.find_phone)
        return printable(address.user if phone is None else phone.user)

    def _take(self, incoming: Incoming, tenant: str, user: str, written_to: str, story: Story) -> None:
        if self.in_flight >= MOST_IN_FLIGHT or self._of_one[tenant, user] >= MOST_OF_ONE:
            incoming.respond(503, extra=_RETRY)
            return
        incoming.begin()
        story.add(incoming.now, "text.received", f"{user} writes to {written_to}")
        decision = decide(CallRequest(tenant, user, written_to, incoming.now), self._snapshot)
        story.extend(decision.steps)
        self.in_flight += 1
        self._of_one[tenant, user] += 1
        self._context.spawn(self._pass_on(incoming, tenant, user, decision, story))

    async def _pass_on(
        self, incoming: Incoming, tenant: str, user: str, decision: Decision, story: Story
    ) -> None:
        now = self._context.endpoint.now
        status, reason = 500, ""
        try:
            status, reason = await self._send(incoming, tenant, user, decision, story), ""
        except RemoteProtocolError as error:
            status, reason = error.status, error.reason
        except CallFailed as failure:
            status, reason = failure.status, failure.reason
            story.add(
                now(), "text.failed", f"{user} is told {status} {reason}", status=status, why=failure.code
            )
        finally:
            self.in_flight -= 1
            self._of_one[tenant, user] -= 1
            if not self._of_one[tenant, user]:
                del self._of_one[tenant, user]
            incoming.respond(status, reason=reason, now=now())
        self._on_over(user, decision.number, status, story)

    async def _send(
        self, incoming: Incoming, tenant: str, user: str, decision: Decision, story: Story
    ) -> int:
        entry = self._reader(tenant, decision)
        request = incoming.request
        if is_sips(request.uri) and not flow_of(incoming).listener.is_secure:
            raise CallFailed(480, reason_phrase(480), 0, "route.sips_insecure")
        writer = self._directory.extension(tenant, user)
        realm = self._directory.domain_of(tenant)
        context = self._context
        text = text_of(
            request,
            tenant,
            Party(user, realm, writer.name if writer is not None else ""),
            Party(entry.number, realm),
            at=context.wall(),
            keep_s=self._queue.policy.keep_s,
            call_id=context.endpoint.ids.call_id(),
            hops=context.max_forwards,
        )
        return await self._queue.submit(text, story)

    def _reader(self, tenant: str, decision: Decision) -> Entry:
        """Whom the text is for; that nobody is registered now is for the queue to deal with."""
        entry = decision.extension
        if entry is None and decision.code == "route.not_registered":
            entry = self._directory.extension(tenant, decision.number)
        if entry is None:
            status, code = (decision.status, decision.code) if decision.status else (404, "text.service")
            raise CallFailed(status, reason_phrase(status), 0, code)
        return entry


def refusal_of(request: Request, *, reliable: bool) -> tuple[int, str] | None:
    """Status and header lines for a MESSAGE that we cannot pass on whoever sends it, else None.

    ``reliable`` tells whether it came by a connection. Raises RemoteProtocolError when the Request-URI or Require
    is malformed.
    """
    if not parse_uri(request.uri).is_sip:
        return 416, ""
    tags = unsupported(request, _SUPPORTED)
    if tags:
        return 420, f"Unsupported: {tags}\r\n"
    if len(request.body) > (MAX_BODY if reliable else MAX_DATAGRAM_BODY):
        return 513, ""
    if request.body and "Content-Type" not in request.headers:
        return 400, ""  # RFC 3261 §20.15: it is not for us to guess
    return None
