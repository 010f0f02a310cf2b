"""Asking a registrar: the REGISTER, and what its answers mean (RFC 3261 §10.2.4, RFC 5626 §4.2, RFC 8760)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final

from trunkline.base.errors import RemoteProtocolError, TransportError
from trunkline.base.wheel import Alarm
from trunkline.model.client_registration import ClientRegistration
from trunkline.net.dns import Hop
from trunkline.net.flow import Flow
from trunkline.proto.sip.digest_client import DigestClient
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Response
from trunkline.proto.sip.transaction import Failure
from trunkline.proto.sip.transaction.machine import Table
from trunkline.ua.challenges import Authorizer, says_stale
from trunkline.ua.failed_hops import retry_after_s
from trunkline.ua.registrations import outcome
from trunkline.ua.registrations.contact import contact_uri, instance_params, learned_address
from trunkline.ua.registrations.delays import MOST_RETRY_AFTER_S
from trunkline.ua.registrations.outcome import (
    ALARM,
    BRIEF,
    CHALLENGED,
    GRANTED,
    NEXT,
    NOWHERE,
    PLAIN,
    REFUSED,
    TROUBLED,
)
from trunkline.ua.registrations.trial import Trial, hop_text

if TYPE_CHECKING:
    from trunkline.ua.registrations.lines import Line
    from trunkline.ua.registrations.plan import Plan
    from trunkline.ua.registrations.registrar import Registrar
    from trunkline.ua.registrations.registrations import Registrations

WAITING: Final = 0  # for its turn
LOCATING: Final = 1
ASKING: Final = 2
REGISTERED: Final = 3
RESTING: Final = 4  # after a failure
PARTING: Final = 5  # ended, but a REGISTER is out
LEAVING: Final = 6  # the un-REGISTER is out
GONE: Final = 7

RESERVE: Final = 100  # CSeq numbers that are written down ahead, so that not every REGISTER has to be
MOST_BRIEFS: Final = 2  # a registrar that answers 423 to what its 423 asked for would have us ask for ever
WRONG: Final = "authentication failed"


class Asking(Alarm):
    """What a registration knows, and how it asks; ``registration`` has the table.

    ``word`` is its state in a word, ``trouble`` its last error in words. ``route`` holds finished Route lines for
    requests to this domain (Service-Route), ``associated`` the URIs that the registrar says we are; ``hop`` is
    the server that registered us. Times are the loop's.
    """

    __slots__ = (
        "ahead",
        "associated",
        "call_id",
        "cseq",
        "digest",
        "due",
        "expires_at",
        "failures",
        "forgets",
        "hop",
        "learned",
        "line",
        "office",
        "path",
        "plain",
        "plan",
        "refusals",
        "registrar",
        "reserved",
        "route",
        "since",
        "state",
        "touched",
        "trial",
        "trouble",
        "word",
    )

    TABLE: ClassVar[Table] = {}

    def __init__(self, office: Registrations, plan: Plan, registrar: Registrar, now: float) -> None:
        super().__init__()
        self.office = office
        self.plan = plan
        self.registrar = registrar
        self.state = WAITING
        self.call_id = ""
        self.cseq = self.reserved = 0
        self.digest = DigestClient(plan.account) if plan.account is not None else None
        self.ahead = 0  # the status whose challenge is answered before it comes, 0 for none, -1 for never
        self.learned = ""  # "UDP 192.0.2.1:5060": only for what goes by the same transport
        self.line: Line | None = None
        self.hop: Hop | None = None
        self.route = self.path = ""
        self.associated: tuple[str, ...] = ()
        self.expires_at = 0.0
        self.failures = self.refusals = 0
        self.plain = not plan.outbound
        self.touched = False  # whether the registrar may have a contact of ours
        self.forgets = True
        self.trial: Trial | None = None
        self.since = now
        self.due = 0.0
        self.word = "registering"
        self.trouble = ""

    def step(self, what: int, argument: Any = None) -> None:
        """Run one input through the table; an input without a row is ignored."""
        row = self.TABLE[self.state].get(what)
        if row is None:
            return
        self.state = row[0]
        now = self.office.endpoint.now()
        for action in row[1]:
            action(self, argument, now)

    def fire(self, now: float) -> None:
        self.step(ALARM)

    def kept(self) -> ClientRegistration:
        """What the next process needs to go on."""
        plan, office = self.plan, self.office
        ends = office.wall() + self.expires_at - office.endpoint.now() if self.expires_at else 0.0
        return ClientRegistration(
            plan.tenant,
            plan.id,
            plan.owner,
            plan.address,
            plan.registrar,
            self.call_id,
            self.reserved,
            self.learned,
            ends,
            hop_text(self.hop),
        )

    # Asking

    def ask(self, _argument: Any, now: float) -> None:
        """Send a REGISTER to the next server."""
        trial = self.trial
        if trial is None or trial.ways is None:
            return
        try:
            trial.flow = trial.ways.next()
        except TransportError as error:
            self.step(NOWHERE, str(error))
            return
        self.ask_anew(None, now)

    def ask_anew(self, _argument: Any, now: float) -> None:
        """Send a REGISTER to this server, with what it has told us meanwhile."""
        trial = self.trial
        if trial is None or trial.flow is None:
            return
        draft = self.draft(trial, trial.flow)
        self.prove(trial, draft)
        self.send(draft, now)

    def prove(self, trial: Trial, draft: Draft) -> None:
        """A registrar that takes a nonce again spares us a round trip with each refresh."""
        if self.digest is None:
            return
        trial.authorizer = Authorizer(self.digest, self.office.cnonce)
        if self.ahead > 0:
            trial.authorizer.ahead(draft, self.ahead)

    def ask_plain(self, _argument: Any, now: float) -> None:
        """RFC 5626 §11.6: 439 and 420 come from who does not know what we asked for."""
        self.plain = True
        self.ask_anew(None, now)

    def answer(self, again: Draft, now: float) -> None:
        """Send the REGISTER again with credentials."""
        self.send(again, now)

    def send(self, draft: Draft, now: float) -> None:
        trial = self.trial
        if trial is None or trial.flow is None:
            return
        self.cseq = draft.cseq
        if self.cseq > self.reserved:
            self.reserved = self.cseq + RESERVE
            self.office.keep(self)
        trial.draft = draft
        patience_s = trial.ways.patience_s if trial.ways is not None else 0.0
        if patience_s and self.state == ASKING:
            self.office.endpoint.wheel.arm(self, now + patience_s)
        trial.transaction = self.office.endpoint.send(draft, trial.flow, self, now)

    def draft(self, trial: Trial, flow: Flow) -> Draft:
        """A REGISTER, while leaving an un-REGISTER; never ``Contact: *``, which would take others' contacts off."""
        plan, endpoint = self.plan, self.office.endpoint
        leaving = self.state == LEAVING
        # Never what was granted last: one that grants a second less each time would lead to its 423.
        trial.asked_s = 0 if leaving else max(plan.expires_s, self.registrar.min_expires_s)
        contact = f"<{contact_uri(plan, flow, self.learned_for(flow.transport))}>;expires={trial.asked_s}"
        outbound = flow.reliable and not self.plain
        tags = "path, outbound" if outbound else "path"
        sender = f"{plan.display} <{plan.address}>" if plan.display else f"<{plan.address}>"
        return Draft(
            "REGISTER",
            plan.registrar,
            f"{sender};tag={endpoint.ids.tag()}",
            f"<{plan.address}>",
            self.call_id,
            self.cseq + 1,
            contact=contact + instance_params(plan) if outbound else contact,
            extra=f"Expires: {trial.asked_s}\r\nSupported: {tags}\r\n{endpoint.capabilities}",
        )

    def learned_for(self, transport: str) -> str:
        """The address that a NAT gave us on this transport, "" when there is none."""
        head, _, address = self.learned.partition(" ")
        return address if head == transport else ""

    def lose_patience(self, _argument: Any, _now: float) -> None:
        """The server is silent, and another can be asked."""
        self.touched = True
        self.trouble_or_next("no answer", None)

    # What the transaction delivers

    def on_response(self, transaction: Any, response: Response, now: float) -> None:
        trial = self.trial
        if trial is None or transaction is not trial.transaction:
            return
        if self.state == ASKING:
            self.office.endpoint.wheel.cancel(self)  # it is not silent
        if response.status < 200:
            return
        trial.transaction = None
        self.read(trial, response, now)

    def on_failure(self, transaction: Any, failure: Failure, _now: float) -> None:
        trial = self.trial
        if trial is None or transaction is not trial.transaction:
            return
        trial.transaction = None
        self.touched = True
        self.trouble_or_next("no answer" if failure is Failure.TIMEOUT else "cannot be reached", None)

    def read(self, trial: Trial, response: Response, now: float) -> None:
        """A final response, as an input of the table."""
        status = response.status
        words = f"{status} {response.reason}"
        if status < 300:
            self.touched = True
            if self.digest is not None and "Authentication-Info" in response.headers:
                with suppress(RemoteProtocolError):
                    self.digest.learn(response.headers["Authentication-Info"])
        if status in {401, 407}:
            self.read_challenge(trial, response, words)
        elif status == 423 and trial.asked_s:
            least = outcome.min_expires_s(response)
            trial.briefs += 1
            if least > trial.asked_s and trial.briefs <= MOST_BRIEFS:
                self.step(BRIEF, least)
            else:
                self.step(TROUBLED, (words, None))
        elif status in {420, 439} and not self.plain:
            self.step(PLAIN)
        elif status < 300 and self.state == ASKING:
            self.read_success(trial, response, now)
        elif outcome.kind_of(status) == TROUBLED:
            self.trouble_or_next(words, retry_after_s(response), peace=status == 503)
        else:
            self.step(outcome.kind_of(status), (words, retry_after_s(response)))

    def read_challenge(self, trial: Trial, response: Response, words: str) -> None:
        """Wrong credentials are sent no third time: registrars lock out who insists."""
        if trial.authorizer is None or trial.draft is None:
            self.step(REFUSED, (f"{words}: no password is set", None))
            return
        self.judge_nonces(trial, response)
        again = trial.authorizer.answer(trial.draft, response)
        if again is not None:
            self.step(CHALLENGED, again)
        elif trial.authorizer.answered:
            self.step(REFUSED, (WRONG, None))
        else:
            self.step(REFUSED, (f"{words}: the challenge is for another realm or cannot be answered", None))

    def judge_nonces(self, trial: Trial, response: Response) -> None:
        """Whether the nonce of this challenge may be used ahead of the next one.

        Not where a proxy and the registrar ask both, and never again where a used nonce is refused without the word
        that it is stale: there it would look like a wrong password, and such are counted (rule T-32).
        """
        known = self.ahead
        if known < 0:
            return
        answered = trial.authorizer is not None and trial.authorizer.answered
        if known and (known != response.status or (answered and not says_stale(response))):
            self.ahead = -1
        else:
            self.ahead = response.status

    def read_success(self, trial: Trial, response: Response, now: float) -> None:
        granted = outcome.granted_s(response, self.plan.id, trial.asked_s)
        flow = trial.flow
        if not granted or flow is None:
            self.step(TROUBLED, (f"{response.status}, but without our contact", None))
            return
        known = self.learned_for(flow.transport)
        if self.plan.learns_address and not trial.moved:
            address = learned_address(outcome.seen_from(response), flow, known)
            if address != known:
                self.move(trial, address, now)
                return
        self.step(GRANTED, (response, granted))

    def move(self, trial: Trial, address: str, now: float) -> None:
        """Register with the address that the registrar saw, and take the other contact off with the same request."""
        flow = trial.flow
        if flow is None:
            return
        old = f"<{contact_uri(self.plan, flow, self.learned_for(flow.transport))}>;expires=0"
        self.learned = f"{flow.transport} {address}" if address else ""
        trial.moved = True
        draft = self.draft(trial, flow)
        if "reg-id" not in draft.contact:  # RFC 5626 §6: the instance tells them apart by itself
            draft.contact = f"{draft.contact}, {old}"
        self.prove(trial, draft)
        self.send(draft, now)

    def trouble_or_next(self, words: str, after_s: float | None, *, peace: bool = False) -> None:
        """The next server when there is one, else a rest."""
        ways = self.trial.ways if self.trial is not None else None
        if ways is not None:
            ways.gave_up(words, after_s)
            if ways.more:
                self.trouble = words
                self.step(NEXT)
                return
        if peace and after_s is not None:
            self.registrar.wants_peace(self.office.endpoint.now() + min(after_s, MOST_RETRY_AFTER_S))
        self.step(TROUBLED, (words, after_s))
