"""Sessions as plain data, so that a process may die and another carry on.

A snapshot holds the dialog, the state, and the INVITE that is not over with its transaction. ``restore`` takes
it into another endpoint, reached by the same address. What is asked within the dialog at that moment is not
kept: a re-INVITE of the peer is told to come again, one of ours is acknowledged if it succeeds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from trunkline.base.errors import LocalProtocolError
from trunkline.net.flow import Flow
from trunkline.proto.sip.dialog import Dialog, first_hop
from trunkline.proto.sip.transaction import ServerInvite
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.proto.sip.uri import parse_uri
from trunkline.ua.sessions import client, pending, server
from trunkline.ua.sessions.acknowledge import Acknowledger
from trunkline.ua.sessions.client import ClientSession
from trunkline.ua.sessions.early import EarlyDialogs
from trunkline.ua.sessions.reliable import Reliable
from trunkline.ua.sessions.server import ServerSession
from trunkline.ua.sessions.session import Session, SessionUser
from trunkline.ua.sessions.session_timer import restore as restore_timer

if TYPE_CHECKING:
    from trunkline.ua.endpoint import Endpoint

VERSION: Final = 1
# RFC 3261 §12.2.1.1 lets CSeq numbers leave gaps; this one is wider than what may have been sent since.
GAP: Final = 1000


def snapshot(session: Session) -> dict[str, Any]:
    """Plain, JSON-serialisable data; LocalProtocolError for a session that has ended.

    It holds what the INVITE held, credentials included, so keep it where the dialog is kept.
    """
    if session.ended:
        raise LocalProtocolError("the session has ended: nothing is left to carry on")
    data: dict[str, Any] = {
        "version": VERSION,
        "state": session.state,
        "flow": session.flow.token,
        "hop": [session.flow.transport, *session.flow.remote],
        "contact": session.contact,
        "acked": session.acked,
        "takes_update": session.takes_update,
        "may_refresh": session.may_refresh,
        "dialog": session.dialog.snapshot() if session.dialog is not None else None,
        "timer": session.timer.snapshot() if session.timer is not None else None,
    }
    if isinstance(session, ServerSession):
        return data | _server_data(session)
    if isinstance(session, ClientSession):
        return data | _client_data(session)
    raise LocalProtocolError(f"no snapshot of a {type(session).__name__}")


def restore(data: dict[str, Any], endpoint: Endpoint, user: SessionUser) -> Session:
    """The session of a snapshot, at work in ``endpoint``; ``user`` is told what happens from now on.

    The next CSeq of ours is higher by ``GAP`` than it would have been: the snapshot may be old.
    Raises LocalProtocolError for data of another version, TransportError when the peer cannot be reached.
    """
    if data.get("version") != VERSION:
        raise LocalProtocolError(f"snapshot of version {data.get('version')}, expected {VERSION}")
    dialog = Dialog.restore(data["dialog"]) if data["dialog"] is not None else None
    flow = _flow(data, endpoint, dialog)
    session: Session
    if data["kind"] == "server":
        session = ServerSession.bare(endpoint, flow, user, data["state"], data["local_tag"])
        _take_up(session, data, dialog)
        _restore_server(session, data)
    else:
        session = ClientSession(endpoint, flow, user, None, data["local_tag"])
        session.state = data["state"]
        _take_up(session, data, dialog)
        _restore_client(session, data)
    if session.state == session.ENDING:
        session.send_bye("", endpoint.now())  # whether the peer has ours nobody knows; it bears a second one
    return session


def _flow(data: dict[str, Any], endpoint: Endpoint, dialog: Dialog | None) -> Flow:
    """The flow that the session lived on; when its connection is gone, a new one to the first hop."""
    flow = endpoint.network.flow_from_token(data["flow"]) or endpoint.another_way(data["flow"])
    if flow is not None:
        return flow
    if dialog is not None:
        hop = first_hop(dialog.target, dialog.route)
    elif data.get("hop") and data["hop"][0] == "TCP":
        return endpoint.network.flow_to(*data["hop"])  # the server that took the INVITE: it will answer
    else:
        hop = first_hop(data["draft"]["uri"], data["draft"]["route"])
    target = parse_uri(hop).target
    return endpoint.network.flow_to(target.transport.upper(), target.host, target.port or 5060)


def _take_up(session: Session, data: dict[str, Any], dialog: Dialog | None) -> None:
    session.contact = data["contact"]
    session.acked = data["acked"]
    session.takes_update = data.get("takes_update", False)
    session.may_refresh = data.get("may_refresh", True)
    session.dialog = dialog
    restore_timer(session, data.get("timer"))
    if dialog is not None:
        dialog.flow = session.flow.token
        dialog.local_seq += GAP
        session.endpoint.remember(dialog.key, session)


# The side that was called


def _server_data(session: ServerSession) -> dict[str, Any]:
    now = session.now
    data: dict[str, Any] = {"kind": "server", "local_tag": session.local_tag, "invite": None, "answer": None}
    if session.transaction is not None and session.request_ is not None:
        data["invite"] = pending.invite_data(session.request_, session.transaction, now)
    if session.answer_on_way is not None:
        data["answer"] = pending.answer_data(session.answer_on_way, now)
    data["reliable"] = session.reliable.snapshot(now) if session.reliable is not None else None
    return data | _asked(session, now)


def _restore_server(session: ServerSession, data: dict[str, Any]) -> None:
    endpoint = session.endpoint
    if data["invite"] is not None:
        session.request_, session.transaction = pending.restore_invite(
            data["invite"], endpoint, session.flow, session
        )
        if data["answer"] is not None:
            session.answer_on_way = pending.restore_answer(
                data["answer"], endpoint, session.transaction, lambda: session.step(server.NO_ACK)
            )
        if data.get("reliable") is not None:
            session.reliable = Reliable(session)
            session.reliable.restore(data["reliable"], session.now)
    _ask_again(session, data)


# The side that called


def _client_data(session: ClientSession) -> dict[str, Any]:
    data: dict[str, Any] = {
        "kind": "client",
        "local_tag": session.local_tag,
        "forks": [dialog.snapshot() for dialog in (session.forks or {}).values()],
        "early": session.early_dialogs.snapshot() if session.early_dialogs is not None else None,
        "draft": pending.draft_data(session.draft) if session.draft is not None else None,
        "transaction": None,
        "ack_later": session.ack_later,
        "follows": session.follows,
    }
    if session.transaction is not None:
        data["transaction"] = pending.client_data(session.transaction, session.now)
    return data | _asked(session, session.now)


def _restore_client(session: ClientSession, data: dict[str, Any]) -> None:
    forks = [Dialog.restore(kept) for kept in data["forks"]]
    for fork in forks:
        fork.local_seq += GAP
        session.endpoint.remember(fork.key, session)
    session.forks = {fork.remote_tag: fork for fork in forks} or None
    session.ack_later = data.get("ack_later", False)
    session.follows = data.get("follows", False)
    if data.get("early") is not None:
        session.early_dialogs = EarlyDialogs(session)
        session.early_dialogs.restore(data["early"], forks)
    if data["draft"] is not None and data["transaction"] is not None:
        draft = session.draft = pending.restore_draft(data["draft"])
        session.transaction = pending.restore_client(
            data["transaction"], session.endpoint, session.flow, draft, session
        )
        if session.state == client.CONFIRMED and session.dialog is not None:
            # The ACK, with the answer to the offer of the 2xx, is still to come.
            session.transaction.user = Acknowledger(
                session.endpoint, session.flow, session.dialog.remote_tag, draft.cseq
            )
    _ask_again(session, data)


# A re-INVITE of the peer


def _asked(session: Session, now: float) -> dict[str, Any]:
    incoming = session.reoffer.incoming if not session.free else None
    if incoming is None or not isinstance(incoming.transaction, ServerInvite):
        return {"asked": None}
    return {"asked": pending.invite_data(incoming.request, incoming.transaction, now)}


def _ask_again(session: Session, data: dict[str, Any]) -> None:
    """RFC 3261 §14.2: 500 with Retry-After; whoever would have answered it is gone."""
    if data["asked"] is None:
        return
    endpoint, flow = session.endpoint, session.flow
    request, transaction = pending.restore_invite(data["asked"], endpoint, flow, session.reoffer)
    incoming = Incoming(endpoint.layer, request, flow, transaction.key, endpoint.now())
    incoming.transaction = transaction
    incoming.respond(500, extra="Retry-After: 1\r\n")
