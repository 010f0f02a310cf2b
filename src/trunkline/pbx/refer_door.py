"""The door of transfers that are asked for outside of the call: REFER with Target-Dialog (RFC 4538, RFC 5589 §7)."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.base.story import Story
from trunkline.call.context import CallContext
from trunkline.call.referring import leg_of, refer_outside
from trunkline.net.flow import Flow
from trunkline.pbx.directory import Directory
from trunkline.pbx.handing_on import HandingOn
from trunkline.proto.sip.dialog_names import parse_target_dialog
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.proto.sip.uri import parse_uri
from trunkline.ua.authentication import Authenticator
from trunkline.ua.option_tags import unsupported


class ReferDoor:
    """Claims REFERs: challenges them, and takes those that name a dialog of the one who asks.

    ``on_refused(source, story)`` hears of wrong credentials.
    """

    methods = frozenset({"REFER"})

    def __init__(
        self,
        directory: Directory,
        authenticator: Authenticator,
        context: CallContext,
        handing_on: HandingOn,
        on_refused: Callable[[str, Story], None] = lambda _source, _story: None,
    ) -> None:
        self._directory = directory
        self._authenticator = authenticator
        self._context = context
        self._handing_on = handing_on
        self._on_refused = on_refused

    def claim(self, incoming: Incoming, flow: Flow) -> bool:
        request = incoming.request
        owner = self._directory.owner_of(parse_uri(request.uri).host)
        if owner is None:
            if not self._authenticator.ignores(incoming):
                incoming.respond(404)
            return True
        story = Story(incoming.now)
        user = self._authenticator.admit(incoming, owner.realm, owner.ha1, story)
        if user is not None:
            self._take(incoming, owner.id, user)
        elif story.last_code == "auth.wrong":
            self._on_refused(flow.remote[0], story)
        return True

    def _take(self, incoming: Incoming, tenant: str, user: str) -> None:
        request = incoming.request
        if tags := unsupported(request, self._context.endpoint.option_tags):
            incoming.respond(420, extra=f"Unsupported: {tags}\r\n")
            return
        value = request.headers.get("Target-Dialog")
        if value is None:
            incoming.respond(403, reason="A REFER needs a dialog of yours: Target-Dialog")
            return
        found = leg_of(self._context, parse_target_dialog(value), tenant)
        if found is None:
            incoming.respond(481)
            return
        call, leg = found
        if self._handing_on.number_of(call, leg) != user:
            incoming.respond(403)
            return
        incoming.begin()
        refer_outside(call, leg, incoming)
