"""A call that we make: the UAC side of an INVITE session (RFC 3261 §13.2, §9.1, §15; RFC 5407 §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from trunkline.base.errors import RemoteProtocolError
from trunkline.net.flow import Flow
from trunkline.proto.sip.dialog import Dialog
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.grammar import split_list
from trunkline.proto.sip.message import Request, Response
from trunkline.proto.sip.reasons import reason_phrase
from trunkline.proto.sip.transaction import ClientInvite, Failure
from trunkline.proto.sip.transaction.machine import Table
from trunkline.ua.challenges import Authorizer
from trunkline.ua.dialog_flows import flow_along
from trunkline.ua.sessions.acknowledge import Acknowledger, acknowledge
from trunkline.ua.sessions.early import Early, EarlyDialogs, rseq_of
from trunkline.ua.sessions.inputs import BYE_DONE, BYE_RECEIVED, HANG_UP, LOST
from trunkline.ua.sessions.session import Session, SessionUser
from trunkline.ua.sessions.session_timer import agreed, ask_longer
from trunkline.ua.sessions.update import allows_update

if TYPE_CHECKING:
    from trunkline.ua.endpoint import Endpoint

CALLING: Final = 0
CANCELLING: Final = 1  # given up, final response awaited
CONFIRMED: Final = 2
ENDING: Final = 3  # BYE sent
ENDED: Final = 4

PROVISIONAL: Final = 10
SUCCESS: Final = 11
FAILURE: Final = 12
UNUSABLE: Final = 13  # a 2xx that makes no dialog

INPUTS: Final = (HANG_UP, BYE_RECEIVED, BYE_DONE, LOST, PROVISIONAL, SUCCESS, FAILURE, UNUSABLE)

MAX_FORKS: Final = 16  # early dialogs kept for one INVITE
RELIABLE: Final = "Supported: 100rel\r\n"  # what an INVITE says whose provisionals may be reliable


class ClientSession(Session):
    """An INVITE of ours. ``draft`` is let go when its transaction ends."""

    __slots__ = (
        "ack_later",
        "asked_longer",
        "draft",
        "early_dialogs",
        "follows",
        "forks",
        "heard",
        "local_tag",
        "transaction",
    )

    owns_call_id = True
    CONFIRMED = CONFIRMED
    ENDING = ENDING
    ENDED = ENDED

    def __init__(
        self,
        endpoint: Endpoint,
        flow: Flow,
        user: SessionUser,
        draft: Draft | None,
        local_tag: str,
        authorizer: Authorizer | None = None,
    ) -> None:
        super().__init__(endpoint, flow, user, CALLING)
        if draft is not None:
            self.contact = draft.contact
        self.draft = draft
        self.local_tag = local_tag
        self.authorizer = authorizer
        self.forks: dict[str, Dialog] | None = None
        self.early_dialogs: EarlyDialogs | None = None  # once one spoke reliably
        self.transaction: ClientInvite | None = None
        self.asked_longer = False
        self.follows = False  # whether requests within the dialog go where route set and target say
        self.heard = False  # whether anything came back, be it a 100
        self.ack_later = False  # whether the user says when the ACK goes, also when nothing is left to answer

    @property
    def sip_call_id(self) -> str:
        return self.draft.call_id if self.draft is not None else super().sip_call_id

    def start(self) -> None:
        """Send the INVITE."""
        if self.draft is None:
            return
        client = self.endpoint.send(self.draft, self.flow, self, self.now)
        if isinstance(client, ClientInvite):
            self.transaction = client

    # What the transaction delivers

    def on_response(self, _transaction: Any, response: Response, _now: float) -> None:
        status = response.status
        self.heard = True
        if status < 200:
            if status > 100:
                self.step(PROVISIONAL, response)
        elif status < 300:
            self._accepted(response)
        elif not self._authorize(response) and not self._ask_again(response):
            self.step(FAILURE, (status, response.reason or reason_phrase(status), response))

    def on_failure(self, _transaction: Any, failure: Failure, _now: float) -> None:
        # RFC 3261 §8.1.3.1: a timeout counts as 408, a transport error as 503.
        status = 408 if failure is Failure.TIMEOUT else 503
        self.step(FAILURE, (status, reason_phrase(status), None))

    def _accepted(self, response: Response) -> None:
        draft = self.draft
        if draft is None:
            return
        try:
            final = Dialog.of_response(draft, response, self.local_tag, self.flow.token)
        except RemoteProtocolError:
            self.endpoint.layer.counters.parse_errors += 1
            final = self._makeshift(draft, response)
            self.step(UNUSABLE, (final, response))
        else:
            self.step(SUCCESS, (final, response))

    def _makeshift(self, draft: Draft, response: Response) -> Dialog:
        """For a 2xx whose To, Contact or Record-Route cannot be used: the Request-URI is as near as we can come."""
        try:
            tag = response.to_tag or ""
        except RemoteProtocolError:
            tag = ""
        to, token = response.headers["To"], self.flow.token
        return Dialog(
            draft.call_id,
            self.local_tag,
            tag,
            draft.from_,
            to,
            draft.uri,
            draft.route,
            token,
            draft.cseq,
            None,
            early=False,
        )

    def _authorize(self, response: Response) -> bool:
        """Send the INVITE again with the credentials that a 401 or 407 asks for; False when we cannot."""
        if self.authorizer is None or self.draft is None or self.state != CALLING:
            return False
        again = self.authorizer.answer(self.draft, response)
        if again is None:
            return False
        self.draft = again
        self.start()
        return True

    def _ask_longer(self, response: Response) -> bool:
        """Send the INVITE again with the session interval that a 422 asks for (RFC 4028 §7.1); once is enough."""
        if self.draft is None or self.state != CALLING or self.asked_longer:
            return False
        again = ask_longer(self.draft, response)
        if again is None:
            return False
        self.asked_longer = True
        self.draft = again
        self.start()
        return True

    def _ask_again(self, response: Response) -> bool:
        """Send the INVITE again as its refusal wants it; False when it is refused for good."""
        if response.status == 422:
            return self._ask_longer(response)
        return response.status == 421 and self._extend(response)

    def _extend(self, response: Response) -> bool:
        """Send the INVITE again with the extension that a 421 misses; False when we cannot (RFC 3261 §21.4.15)."""
        draft = self.draft
        if draft is None or self.state != CALLING or "100rel" in draft.extra:
            return False
        if [tag.lower() for tag in split_list(response.headers.get("Require", ""))] != ["100rel"]:
            return False
        self.draft = draft.again(draft.extra + RELIABLE)
        self.start()
        return True

    # Actions

    def early(self, response: Response, _now: float) -> None:
        """Make the early dialog of this To tag (RFC 3261 §12.1.2: each tag has its own)."""
        try:
            tag, draft = response.to_tag, self.draft
            if tag is not None and draft is not None and self._known(tag) is None:
                self._adopt(Dialog.of_response(draft, response, self.local_tag, self.flow.token))
            if "RSeq" in response.headers and not self._is_in_order(response):
                return
        except RemoteProtocolError:
            self.endpoint.layer.counters.parse_errors += 1  # it rings all the same
        self.user.on_provisional(self, response)

    def _is_in_order(self, response: Response) -> bool:
        """Acknowledge a reliable response; False for one that repeats another, or came too early (RFC 3262 §4)."""
        rseq, draft, dialog = rseq_of(response), self.draft, self._known(response.to_tag or "")
        if rseq is None or draft is None or dialog is None:
            return True
        if self.early_dialogs is None:
            self.early_dialogs = EarlyDialogs(self)
        self.takes_update = allows_update(response) or self.takes_update
        return self.early_dialogs.take(dialog, rseq, response, offered=bool(draft.body))

    def answer_early(self, body: bytes) -> bool:
        """Answer the offer of a reliable provisional, in its PRACK; False when there is none to answer."""
        return self.state == CALLING and self.early_dialogs is not None and self.early_dialogs.answer(body)

    @property
    def offers_early(self) -> bool:
        """Whether a reliable provisional had an offer that ``answer_early`` is to answer."""
        return self.early_dialogs is not None and self.early_dialogs.offers

    def description(self, body: bytes) -> bytes:
        """What counts, given the description of the 2xx: the first reliable one (RFC 3261 §13.2.1)."""
        early = self._early_of(self.dialog)
        return early.description if early is not None and early.description else body

    def _early_of(self, dialog: Dialog | None) -> Early | None:
        if self.early_dialogs is None or dialog is None:
            return None
        return self.early_dialogs.of(dialog)

    def has_agreed(self, dialog: Dialog) -> bool:
        early = self._early_of(dialog)
        return self.acked or (early is not None and early.agreed)

    def flow_of(self, dialog: Dialog) -> Flow:
        flow = self.in_dialog_flow()
        return flow_along(self.endpoint.network, flow, dialog) if self.follows else flow

    def speaking_dialog(self) -> Dialog | None:
        speaking = self.early_dialogs.speaking if self.early_dialogs is not None else None
        return self.dialog if self.state != CALLING or speaking is None else speaking

    def _known(self, tag: str) -> Dialog | None:
        if self.dialog is not None and self.dialog.remote_tag == tag:
            return self.dialog
        return self.forks.get(tag) if self.forks is not None else None

    def _adopt(self, made: Dialog) -> None:
        if self.dialog is None:
            self.dialog = made
        else:
            if self.forks is None:
                self.forks = {}
            if len(self.forks) >= MAX_FORKS:
                return
            self.forks[made.remote_tag] = made
        self.endpoint.remember(made.key, self)

    def dialog_of(self, request: Request) -> Dialog | None:
        if self.forks is None:
            return self.dialog
        return self.forks.get(request.from_tag or "", self.dialog)

    def confirm(self, argument: tuple[Dialog, Response], _now: float) -> None:
        """The first 2xx: its dialog becomes the session's; ACK at once unless the user has something to do first."""
        draft, transaction = self.draft, self.transaction
        if draft is None or transaction is None:
            return
        final = argument[0]
        chosen = self._known(final.remote_tag)
        if chosen is None:
            chosen = final
        else:
            # RFC 3261 §13.2.2.4: the 2xx decides route set and target anew.
            chosen.route, chosen.target, chosen.early = final.route, final.target, False
        if self.follows:
            flow = flow_along(self.endpoint.network, self.flow, final)
            if flow is not self.flow:
                self.flow, final.flow = flow, flow.token
            chosen.flow = final.flow
        used = draft.cseq
        if self.dialog is not chosen or self.forks is not None:
            used = max([used, *(dialog.local_seq for dialog in self._dialogs())])
            self._choose(chosen)
        elif chosen.local_seq > used:
            used = chosen.local_seq
        agreed(self, argument[1])
        chosen.local_seq = max(chosen.local_seq, draft.cseq)
        transaction.user = Acknowledger(self.endpoint, self.flow, chosen.remote_tag, draft.cseq, used)
        if "Allow" in argument[1].headers and allows_update(argument[1]):
            self.takes_update = True
        if self.state != CONFIRMED or (not self.ack_later and (draft.body or self.has_agreed(chosen))):
            self.acknowledge()

    def _dialogs(self) -> tuple[Dialog, ...]:
        first = () if self.dialog is None else (self.dialog,)
        return first if self.forks is None else (*first, *self.forks.values())

    def _choose(self, chosen: Dialog) -> None:
        """From now on this dialog is the session's only one."""
        for other in self._dialogs():
            if other is not chosen:
                self.endpoint.forget(other.key, self)
        if self.dialog is not chosen:
            self.dialog = chosen
            self.endpoint.remember(chosen.key, self)
        self.forks = None

    def acknowledge(self, body: bytes = b"") -> None:
        """Send the ACK of the 2xx, with the answer when the 2xx carried the offer."""
        draft, transaction, dialog = self.draft, self.transaction, self.dialog
        if draft is None or transaction is None or dialog is None:
            return
        user = transaction.user
        if isinstance(user, Acknowledger):
            # RFC 3261 §13.2.2.4: the ACK carries the credentials of its INVITE.
            user.data = acknowledge(
                self.endpoint, self.in_dialog_flow(), dialog, draft.cseq, body, Authorizer.lines_of(draft)
            )
            user.flow = self.flow
        self.acked = True
        self.draft = None
        self.transaction = None

    def ensure_ack(self, _argument: Any, _now: float) -> None:
        """A 2xx with an offer that will not be answered any more is acknowledged before the BYE."""
        if not self.acked:
            self.acknowledge()

    def tell_answered(self, argument: tuple[Dialog, Response], _now: float) -> None:
        self.user.on_answered(self, argument[1])

    def tell_failed(self, argument: tuple[int, str, Response | None], _now: float) -> None:
        self.user.on_failed(self, *argument)

    def tell_given_up(self, _argument: Any, _now: float) -> None:
        self.user.on_failed(self, 487, reason_phrase(487), None)

    def tell_unusable(self, argument: tuple[Dialog, Response], _now: float) -> None:
        self.user.on_failed(self, 502, reason_phrase(502), argument[1])

    def cancel(self, extra: str, now: float) -> None:
        if self.transaction is not None:
            self.transaction.cancel(now, extra)

    def end_early(self, request: Request, _now: float) -> None:
        """The callee left the early dialog by BYE; RFC 3261 §15 forbids it, but the attempt is over."""
        self.user.on_failed(self, 480, reason_phrase(480), None)
        if self.transaction is not None:
            self.transaction.cancel(self.now)

    def release(self, argument: Any, now: float) -> None:
        if self.forks is not None:
            for fork in self.forks.values():
                self.endpoint.forget(fork.key, self)
            self.forks = None
        self.draft = None
        self.transaction = None
        self.early_dialogs = None
        self.close(argument, now)

    TABLE: ClassVar[Table] = {
        CALLING: {
            PROVISIONAL: (CALLING, (early,)),
            SUCCESS: (CONFIRMED, (confirm, tell_answered)),
            UNUSABLE: (ENDING, (confirm, tell_unusable, Session.send_bye)),
            FAILURE: (ENDED, (tell_failed, release)),
            HANG_UP: (CANCELLING, (cancel,)),
            BYE_RECEIVED: (CANCELLING, (end_early,)),
        },
        CANCELLING: {
            # §9.1, RFC 5407 §3.1.2: the 2xx crossed our CANCEL; it is acknowledged, then the call is ended.
            SUCCESS: (ENDING, (confirm, tell_given_up, Session.send_bye)),
            UNUSABLE: (ENDING, (confirm, tell_given_up, Session.send_bye)),
            FAILURE: (ENDED, (tell_failed, release)),
        },
        CONFIRMED: {
            HANG_UP: (ENDING, (Session.tell_hung_up, ensure_ack, Session.send_bye)),
            BYE_RECEIVED: (ENDED, (Session.tell_bye, release)),
            LOST: (ENDING, (Session.tell_lost, Session.send_bye)),  # §12.2.1.2
        },
        ENDING: {
            BYE_DONE: (ENDED, (release,)),
            BYE_RECEIVED: (ENDED, (release,)),  # RFC 5407 §3.2.1: both hung up
        },
        ENDED: {},
    }


IGNORED: Final = {
    (CALLING, BYE_DONE): "no BYE was sent",
    (CALLING, LOST): "the transaction says so itself",
    (CANCELLING, PROVISIONAL): "nobody waits for it",
    (CANCELLING, HANG_UP): "on its way",
    (CANCELLING, BYE_RECEIVED): "the final response of the INVITE is still to come",
    (CANCELLING, BYE_DONE): "no BYE was sent",
    (CANCELLING, LOST): "on its way",
    (CONFIRMED, PROVISIONAL): "too late",
    (CONFIRMED, SUCCESS): "retransmissions and forks go to the Acknowledger",
    (CONFIRMED, UNUSABLE): "retransmissions and forks go to the Acknowledger",
    (CONFIRMED, FAILURE): "the INVITE is answered",
    (CONFIRMED, BYE_DONE): "no BYE was sent",
    (ENDING, HANG_UP): "on its way",
    (ENDING, LOST): "on its way",
    (ENDING, PROVISIONAL): "too late",
    (ENDING, SUCCESS): "retransmissions go to the Acknowledger",
    (ENDING, UNUSABLE): "retransmissions go to the Acknowledger",
    (ENDING, FAILURE): "too late",
}
