"""The door of the gateway: what registrars send to the Contacts that we registered on behalf of accounts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from trunkline.base.errors import RemoteProtocolError
from trunkline.base.story import Story
from trunkline.call.call import Call
from trunkline.call.headers import lacks_preconditions
from trunkline.call.identity import IdentityPolicy, caller_of
from trunkline.call.refusals import refusal_of
from trunkline.media.preconditions import MARK as PRECONDITIONS
from trunkline.media.preconditions import refusal_of_preconditions
from trunkline.net.flow import Flow
from trunkline.proto.sip.name_addr import parse_name_addr
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.proto.sip.uri import parse_uri
from trunkline.ua.registrations import Plan

if TYPE_CHECKING:
    from trunkline.call.context import CallContext
    from trunkline.call.party import Party
    from trunkline.call.registry import Calls
    from trunkline.mobile.incoming import IncomingCalls
    from trunkline.mobile.notices import Notices
    from trunkline.proto.sip.message import Request

_SHOWN: Final = 64


class Bound(Protocol):
    """A registration of ours elsewhere."""

    @property
    def plan(self) -> Plan:
        """Whose it is: ``id`` is the account's, and the user of our Contact."""
        ...


class Bindings(Protocol):
    """``ua.registrations.Registrations``, as far as a door asks."""

    def find(self, user: str, source: str) -> Bound | None:
        """The registration with this user in its Contact, if ``source`` is an address of its registrar."""
        ...


class MobileDoor:
    """Claims INVITE, MESSAGE and NOTIFY for our Contacts, from the registrar that they were registered at.

    From anybody else they are not for us: who learned a Contact must not make a phone ring by it. OPTIONS and whatever
    else comes gets the endpoint's own answer.
    """

    methods = frozenset({"INVITE", "MESSAGE", "NOTIFY"})

    def __init__(
        self,
        bindings: Bindings,
        context: CallContext,
        calls: Calls,
        incoming: IncomingCalls,
        notices: Notices,
        ignores: Callable[[Incoming], bool] = lambda _incoming: False,
    ) -> None:
        """``ignores(incoming)`` says whether a stranger is left unanswered (``ua.authentication``)."""
        self._bindings = bindings
        self._context = context
        self._calls = calls
        self._incoming = incoming
        self._notices = notices
        self._ignores = ignores
        self._merge_keys: dict[tuple[str, str, int, str], str] = {}

    def claim(self, incoming: Incoming, flow: Flow) -> bool:
        bound = self._bound(incoming.request, flow)
        if bound is None:
            return False
        method = incoming.request.method
        if method == "INVITE":
            self._invited(incoming, flow, bound.plan)
        elif method == "MESSAGE":
            self._notices.message(incoming, bound.plan.tenant, bound.plan.id)
        else:
            self._notices.notify(incoming, bound.plan.tenant, bound.plan.id)
        return True

    def _bound(self, request: Request, flow: Flow) -> Bound | None:
        try:
            user = parse_uri(request.uri).user
        except RemoteProtocolError:
            return None
        return self._bindings.find(user, flow.remote[0]) if user else None

    def _invited(self, incoming: Incoming, flow: Flow, plan: Plan) -> None:
        request = incoming.request
        refusal = self._refusal(request)
        if refusal is not None:
            if not self._ignores(incoming):
                incoming.respond(refusal[0], extra=refusal[1], body=refusal[2])
            return
        key = self._merge_key(request, plan.id)
        if self._merge_keys.get(key, "") in self._calls.active:
            # RFC 3261 §8.2.2.2, whatever the Request-URI looks like. Two accounts are two legs of the caller's fork.
            incoming.respond(482)
            return
        self._start(incoming, flow, plan, key)

    def _refusal(self, request: Request) -> tuple[int, str, bytes] | None:
        endpoint = self._context.endpoint
        if endpoint.draining:
            return 503, "Retry-After: 60\r\n", b""
        refusal = refusal_of(request, endpoint.call_tags)
        if refusal is not None:
            return *refusal, b""
        if PRECONDITIONS in request.body and lacks_preconditions(request):
            return 580, "", refusal_of_preconditions(request.body)
        if "Replaces" in request.headers:
            # RFC 3891 §3: it is about a dialog of ours, in which an app cannot be exchanged for another party; a
            # phone that talks must not ring for it.
            return 481, "", b""
        return None

    def _merge_key(self, request: Request, account_id: str) -> tuple[str, str, int, str]:
        return request.call_id, request.from_tag or "", request.cseq[0], account_id

    def _start(self, incoming: Incoming, flow: Flow, plan: Plan, key: tuple[str, str, int, str]) -> None:
        story = Story(incoming.now)
        callee = parse_uri(plan.address).user
        caller = _caller(incoming, story)
        story.add(
            incoming.now,
            "call.received",
            f"{caller.number[:_SHOWN]} calls the app of {callee}",
            flow=flow.token,
        )
        media = self._incoming.office.policy.way
        call = Call(self._context, plan.tenant, caller, callee, story, media=media, foreign=True)
        script = self._incoming.script(plan.tenant, plan.id)

        async def guarded(call: Call) -> None:
            try:
                await script(call)
            finally:
                self._merge_keys.pop(key, None)

        call.begin(incoming, flow, guarded, hold=True)
        self._merge_keys[key] = call.id
        self._calls.add(call)


def _caller(incoming: Incoming, story: Story) -> Party:
    """Who calls, as the account's own exchange says; the address keeps the domain that it has there."""
    request = incoming.request
    host = parse_name_addr(request.headers["From"]).address.host
    party = caller_of(request, IdentityPolicy(), host, lambda code, text: story.add(incoming.now, code, text))
    party.asserted = False
    return party
