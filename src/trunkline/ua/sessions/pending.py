"""INVITEs that are not over, as plain data: what a snapshot holds besides the dialog.

Times are seconds that were left when the snapshot was taken, because the clock of another process is another.
Bytes of peers stand as text with surrogate escapes, which JSON carries unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from trunkline.base.errors import LocalProtocolError
from trunkline.net.flow import Flow
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Request, parse_message
from trunkline.proto.sip.transaction import ClientInvite, ClientUser, ServerInvite, ServerUser
from trunkline.proto.sip.transaction.client_invite import CALLING, PROCEEDING
from trunkline.ua.sessions.answer import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from trunkline.ua.endpoint import Endpoint

_TRANSACTION: Final = ("key", "short_key", "state")


def text_of(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


# An INVITE that came in


def invite_data(request: Request, transaction: ServerInvite, now: float) -> dict[str, Any]:
    """The INVITE with its server transaction."""
    return {
        "message": _wire_form(request),
        "transaction": {name: getattr(transaction, name) for name in _TRANSACTION}
        | {
            "merge_key": list(transaction.merge_key),
            "data": text_of(transaction.data),
            "left_s": _left(transaction.deadline, now),
        },
    }


def restore_invite(
    data: dict[str, Any], endpoint: Endpoint, flow: Flow, user: ServerUser
) -> tuple[Request, ServerInvite]:
    """Take the transaction in: retransmissions, CANCEL and ACK find it again."""
    request = parse_message(bytes_of(data["message"]))
    if not isinstance(request, Request):
        raise LocalProtocolError("snapshot: expected an INVITE, saw a response")
    kept = data["transaction"]
    call_id, from_tag, cseq, uri = kept["merge_key"]
    transaction = ServerInvite(
        endpoint.layer, kept["key"], flow, kept["short_key"], (call_id, from_tag, cseq, uri)
    )
    transaction.state = kept["state"]
    transaction.data = bytes_of(kept["data"])
    transaction.user = user
    endpoint.layer.adopt_server_invite(transaction)
    transaction.wait(endpoint.now(), 0.0, kept["left_s"])
    return request, transaction


def answer_data(answer: Answer, now: float) -> dict[str, Any]:
    """A 2xx that is repeated until its ACK."""
    return {
        "data": text_of(answer.data),
        "cseq": answer.cseq,
        "interval_s": answer.interval,
        "left_s": _left(answer.deadline, now),
    }


def restore_answer(
    data: dict[str, Any], endpoint: Endpoint, transaction: ServerInvite, on_no_ack: Callable[[], None]
) -> Answer:
    """Send the 2xx again and go on repeating it for the time that is left."""
    now = endpoint.now()
    answer = Answer(
        endpoint.wheel,
        endpoint.layer.timings,
        transaction,
        bytes_of(data["data"]),
        data["cseq"],
        on_no_ack,
        now,
    )
    answer.begin(now)
    answer.interval = data["interval_s"]
    answer.deadline = now + data["left_s"]
    return answer


def _wire_form(request: Request) -> str:
    lines = [f"{request.method} {request.uri} SIP/2.0"]
    for name, value in request.headers.items():
        lines.append(f"{name}: {value}" if "\n" not in value else _repeated(name, value))
    return "\r\n".join(lines) + "\r\n\r\n" + text_of(request.body)


def _repeated(name: str, values: str) -> str:
    return "\r\n".join(f"{name}: {one}" for one in values.split("\n"))


# An INVITE of ours


def draft_data(draft: Draft) -> dict[str, Any]:
    """What the INVITE says."""
    return {name: getattr(draft, name) for name in Draft.__slots__} | {"body": text_of(draft.body)}


def restore_draft(data: dict[str, Any]) -> Draft:
    """The INVITE again, for its CANCEL, its ACK and the next try."""
    return Draft(**(data | {"body": bytes_of(data["body"])}))


def client_data(transaction: ClientInvite, now: float) -> dict[str, Any]:
    """The client transaction of an INVITE."""
    return {
        "branch": transaction.key,
        "via": transaction.via,
        "state": transaction.state,
        "interval_s": transaction.interval,
        "left_s": _left(transaction.deadline, now),
        "cancel": transaction.cancel_extra,
    }


def restore_client(
    data: dict[str, Any], endpoint: Endpoint, flow: Flow, draft: Draft, user: ClientUser
) -> ClientInvite:
    """Take the transaction in: responses find it again, and a CANCEL on its way is sent once more."""
    layer, now, state = endpoint.layer, endpoint.now(), data["state"]
    transaction = ClientInvite(layer, data["branch"], flow, draft, data["via"], user)
    transaction.state = state
    if state == CALLING:
        transaction.data = draft.render(data["via"])
    layer.clients[transaction.key] = transaction
    transaction.wait(now, data["interval_s"] if state == CALLING else 0.0, data["left_s"])
    if data["cancel"] is not None and state in {CALLING, PROCEEDING}:
        transaction.cancel(now, data["cancel"])
    return transaction


def _left(deadline: float, now: float) -> float:
    """Zero stands for no deadline, so one that is due has a moment left."""
    return max(deadline - now, 0.01) if deadline else 0.0
