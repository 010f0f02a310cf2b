"""UPDATE (RFC 3311): a change, or none, within a dialog that may still be early; never waiting for a user.

Rules on top (§5.2): an offer while ours is unanswered gets 491; while theirs is unanswered, or the INVITE's is, 500
with Retry-After. Ours is sent only when the first offer and answer are through (§5.1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.dialog import Dialog
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Message, Response
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.ua.sessions.reoffer import Outgoing, Reoffer
from trunkline.ua.sessions.session_timer import accept, agreed

if TYPE_CHECKING:
    from trunkline.ua.sessions.session import Session


def allows_update(message: Message) -> bool:
    """Whether the sender takes UPDATE: only its Allow says so (§4)."""
    allow = message.headers.get("Allow")
    return allow is not None and "UPDATE" in allow and "UPDATE" in allow.replace(",", " ").split()


def receive_update(session: Session, dialog: Dialog, incoming: Incoming) -> None:
    """One in order: an offer goes to the user as a re-INVITE's does, all else is answered here."""
    reoffer = session.reoffer
    incoming.begin()
    if not incoming.request.body:
        extra = f"Contact: {session.contact}\r\n{session.endpoint.capabilities}"
        if not dialog.early:
            extra += accept(session, incoming.request)
        incoming.respond(200, extra=extra)
    elif reoffer.outgoing is not None:
        incoming.respond(491)
    elif not reoffer.free or not session.has_agreed(dialog):
        wait_s = int(session.endpoint.ids.pool.token(1), 16) % 10
        incoming.respond(500, extra=f"Retry-After: {wait_s}\r\n")
    else:
        reoffer.receive_brief(incoming)


def send_update(
    session: Session, body: bytes, on_done: Callable[[int, Response | None], None], extra: str = ""
) -> None:
    """Send our UPDATE; ``on_done(status, response)`` is called once: 491 when none can be sent now.

    Without ``body`` it changes nothing (a refresh); the peer's Allow must list it (``session.takes_update``).
    """
    dialog = session.speaking_dialog()
    if dialog is None or not session.reoffer.free or (body and not session.has_agreed(dialog)):
        on_done(491, None)
        return
    if session.timer is not None:
        extra = session.timer.lines() + extra
    draft = dialog.request(
        "UPDATE", contact=session.contact, extra=session.endpoint.capabilities + extra, body=body
    )
    outgoing = session.reoffer.outgoing = OutgoingUpdate(session.reoffer, dialog, draft, on_done)
    outgoing.transaction = session.endpoint.send(draft, session.flow_of(dialog), outgoing, session.now)


class OutgoingUpdate(Outgoing):
    """One UPDATE of ours; its answer needs no ACK."""

    __slots__ = ("dialog",)

    def __init__(
        self,
        owner: Reoffer,
        dialog: Dialog,
        draft: Draft,
        on_done: Callable[[int, Response | None], None],
    ) -> None:
        super().__init__(owner, draft, on_done, delayed=False)
        self.dialog = dialog

    def _succeeded(self, response: Response) -> None:
        try:
            self.dialog.refresh_target(response)
        except RemoteProtocolError:
            self.owner.session.endpoint.layer.counters.parse_errors += 1
        if not self.dialog.early:
            agreed(self.owner.session, response)
        self._over()
        self.finish(response.status, response)

    def acknowledge(self, body: bytes) -> None:
        """Nothing: a 2xx to an UPDATE never carries an offer."""
