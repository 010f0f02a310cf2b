"""Early dialogs of an INVITE of ours that speak reliably: the UAC side of 100rel (RFC 3262 §4, §5).

Each To tag has its own RSeq, description and CSeq (the dialog's): a PRACK goes into the dialog of its response.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trunkline.proto.sip.dialog import Dialog
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Response
from trunkline.proto.sip.transaction import Failure

if TYPE_CHECKING:
    from trunkline.ua.sessions.client import ClientSession


class Early:
    """What one early dialog said reliably.

    ``rseq`` of the last response in order; ``description`` the first one, which counts (RFC 3261 §13.2.1);
    ``agreed`` that offer and answer are through; ``unanswered`` the RAck of an offer that still wants its answer.
    """

    __slots__ = ("agreed", "description", "rseq", "unanswered")

    def __init__(self, rseq: int) -> None:
        self.rseq = rseq
        self.description = b""
        self.agreed = False
        self.unanswered = ""

    def snapshot(self) -> dict[str, Any]:
        """Plain data."""
        kept = {name: getattr(self, name) for name in self.__slots__}
        return kept | {"description": self.description.decode("utf-8", "surrogateescape")}

    @classmethod
    def restore(cls, data: dict[str, Any]) -> Early:
        early = cls(data["rseq"])
        early.description = data["description"].encode("utf-8", "surrogateescape")
        early.agreed, early.unanswered = data["agreed"], data["unanswered"]
        return early


def rseq_of(response: Response) -> int | None:
    """The number of a provisional response that wants a PRACK, else None (RFC 3262 §4, §7.1)."""
    headers = response.headers
    if "RSeq" not in headers or "100rel" not in headers.get("Require", "").lower():
        return None
    text = headers["RSeq"].strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None


class EarlyDialogs:
    """The early dialogs of one INVITE that sent reliable responses, by To tag; at most as many as it has dialogs."""

    __slots__ = ("_session", "by_tag", "speaking")

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        self.by_tag: dict[str, Early] = {}
        self.speaking: Dialog | None = None  # whose description came last

    def take(self, dialog: Dialog, rseq: int, response: Response, *, offered: bool) -> bool:
        """Acknowledge a reliable response; False for one repeated or out of order, which says nothing (§4).

        ``offered``: our INVITE had an offer, so a description answers it; else it offers, and its PRACK waits for the
        user's answer.
        """
        body = response.body
        early = self.by_tag.get(dialog.remote_tag)
        if early is None:
            early = self.by_tag[dialog.remote_tag] = Early(rseq)
        elif rseq != early.rseq + 1:
            return False
        early.rseq = rseq
        rack = f"RAck: {rseq} {response.cseq[0]} INVITE\r\n"
        if body:
            self.speaking = dialog
            early.description = early.description or body
        if body and not offered and not early.agreed:
            early.unanswered = rack
        else:
            early.agreed = early.agreed or bool(body)
            self._acknowledge(dialog, rack)
        return True

    @property
    def offers(self) -> bool:
        """Whether the dialog that spoke last waits for our answer."""
        early = self.by_tag.get(self.speaking.remote_tag) if self.speaking is not None else None
        return early is not None and bool(early.unanswered)

    def answer(self, body: bytes) -> bool:
        """Our answer to the offer of the dialog that spoke last, in its PRACK; whether there was one to answer."""
        dialog = self.speaking
        early = self.by_tag.get(dialog.remote_tag) if dialog is not None else None
        if dialog is None or early is None or not early.unanswered:
            return False
        rack, early.unanswered = early.unanswered, ""
        early.agreed = bool(body)
        self._acknowledge(dialog, rack, body)
        return True

    def _acknowledge(self, dialog: Dialog, rack: str, body: bytes = b"") -> None:
        draft = dialog.request("PRACK", extra=rack, body=body)
        Prack(self._session, dialog, draft).send()

    def of(self, dialog: Dialog) -> Early | None:
        """What the dialog said reliably."""
        return self.by_tag.get(dialog.remote_tag)

    # For the process that carries on

    def snapshot(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "by_tag": {tag: early.snapshot() for tag, early in self.by_tag.items()},
            "speaking": self.speaking.remote_tag if self.speaking is not None else "",
        }

    def restore(self, data: dict[str, Any], forks: list[Dialog]) -> None:
        """Take over what another process wrote; ``forks`` are the dialogs besides the session's."""
        self.by_tag = {tag: Early.restore(kept) for tag, kept in data["by_tag"].items()}
        dialogs = [self._session.dialog, *forks]
        self.speaking = next((one for one in dialogs if one and one.remote_tag == data["speaking"]), None)


class Prack:
    """Waits for the answer to a PRACK. Whether it failed does not matter here: its INVITE ends then."""

    __slots__ = ("authorizer", "dialog", "draft", "session")

    def __init__(self, session: ClientSession, dialog: Dialog, draft: Draft) -> None:
        self.session = session
        self.dialog = dialog
        self.draft = draft
        self.authorizer = session.authorizer.within(dialog) if session.authorizer is not None else None

    def send(self) -> None:
        session = self.session
        session.endpoint.send(self.draft, session.flow_of(self.dialog), self, session.now)

    def on_response(self, _transaction: Any, response: Response, _now: float) -> None:
        session = self.session
        if self.authorizer is None or response.status not in {401, 407} or session.ended:
            return
        again = self.authorizer.answer(self.draft, response)
        if again is not None:
            self.draft = again
            self.send()

    def on_failure(self, _transaction: Any, _failure: Failure, _now: float) -> None:
        """Nothing: the peer ends the INVITE."""
