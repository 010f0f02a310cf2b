"""One registration that we hold elsewhere: made, refreshed, mended, ended (RFC 3261 §10.2, RFC 5626 §4).

    TABLE[state][input] = (next_state, (action, ...))      as in ``proto.sip.transaction.machine``

A registration is one alarm of the wheel and one transaction at most: RFC 3261 §10.2 wants the answer to one
REGISTER before the next. What is needed only while a registrar is asked stands in its ``Trial``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Final

from trunkline.model.client_registration import ClientRegistration
from trunkline.proto.sip.digest_client import Account, DigestClient
from trunkline.proto.sip.message import Response
from trunkline.proto.sip.transaction.machine import Table
from trunkline.ua.challenges import Authorizer
from trunkline.ua.registrations import outcome
from trunkline.ua.registrations.asking import (
    ASKING,
    GONE,
    LEAVING,
    LOCATING,
    PARTING,
    REGISTERED,
    RESTING,
    WAITING,
    WRONG,
    Asking,
)
from trunkline.ua.registrations.delays import MOST_RETRY_AFTER_S, back_off_s, refresh_s, refused_s
from trunkline.ua.registrations.outcome import (
    AGAIN,
    ALARM,
    BRIEF,
    CHALLENGED,
    DROPPED,
    GRANTED,
    LEAVE,
    LOCATED,
    NEXT,
    NOWHERE,
    PLAIN,
    REFUSED,
    TROUBLED,
)
from trunkline.ua.registrations.trial import Trial, hop_of


class Registration(Asking):
    """Made by ``Registrations``."""

    __slots__ = ()

    # What others ask

    def is_registered(self, now: float) -> bool:
        """Whether the registrar holds our contact, as far as we know."""
        return self.expires_at > now and self.state != GONE

    def status(self, now: float) -> tuple[str, float]:
        """Its state in a word, and since when."""
        if self.word == "registered" and self.expires_at <= now:
            return "expired", self.expires_at
        return self.word, self.since

    def restore(self, saved: ClientRegistration) -> None:
        """Go on where the process before us was: the same Call-ID, a higher CSeq, the same Contact."""
        self.call_id = saved.call_id
        self.cseq = self.reserved = saved.cseq
        self.learned = saved.contact
        self.hop = hop_of(saved.target)
        self.touched = saved.expires_at > self.office.wall()

    def take_credentials(self, account: Account, display: str) -> None:
        """Who we are from now on; a REGISTER that is out is answered for with them too."""
        self.plan = replace(self.plan, account=account, display=display)
        self.digest = DigestClient(account)
        self.ahead = 0
        self.refusals = 0
        if self.trial is not None:
            self.trial.authorizer = Authorizer(self.digest, self.office.cnonce)

    # Waiting

    def take_turn(self, _argument: Any, now: float) -> None:
        """Ask when it is our turn: a registrar that comes back is not to be flooded."""
        self.registrar.waiting.pop(self, None)
        self.say("registering" if self.expires_at <= now else self.word, now)
        at = self.registrar.turn(now)
        if at <= now:
            self.step(ALARM)
        else:
            self.rest_until(at)

    def rest_until(self, at: float) -> None:
        self.due = at
        self.office.endpoint.wheel.arm(self, at)

    def locate(self, _argument: Any, _now: float) -> None:
        self.due = 0.0
        self.trial = Trial()
        self.office.look_up(self, self.trial)

    # How a round ends

    def remember_least(self, least: int, _now: float) -> None:
        self.registrar.min_expires_s = max(self.registrar.min_expires_s, least)

    def settle(self, argument: tuple[Response, int], now: float) -> None:
        """Registered: what the registrar told is kept, and the refresh is set."""
        response, granted = argument
        trial, self.trial = self.trial, None
        if trial is None or trial.flow is None:
            return
        if trial.ways is not None:
            trial.ways.answered()
        self.hop = trial.hop
        self.hold(trial, response)
        self.route = outcome.service_route(response)
        self.associated = outcome.associated(response)
        self.path = outcome.paths(response)
        self.expires_at = now + granted
        self.failures = self.refusals = 0
        self.trouble = ""
        self.rest_until(now + refresh_s(granted, self.office.dice()))
        self.say("registered", now)
        self.office.keep(self)
        self.registrar.answers()

    def hold(self, trial: Trial, response: Response) -> None:
        """Be told when the connection ends that we are registered by."""
        flow, line = trial.flow, self.line
        if flow is not None and (line is None or line.flow.closed or line.flow.token != flow.token):
            self.line = self.office.lines.hold(
                flow, outcome.flow_timer_s(response), must_answer=outcome.keeps_flows(response)
            )
            if line is not None:
                self.office.lines.let_go(line)

    def rest(self, argument: tuple[str, float | None] | str, now: float) -> None:
        """RFC 5626 §4.5: wait longer after each failure, or as long as the server says."""
        self.trial = None
        words, after_s = argument if isinstance(argument, tuple) else (argument, None)
        self.failures += 1
        dice = self.office.dice()
        if after_s:
            delay = min(after_s, MOST_RETRY_AFTER_S) * (1.0 + 0.1 * dice)
        else:
            delay = back_off_s(self.failures, self.office.policy, dice)
            self.registrar.waiting[self] = None
        self.rest_until(now + delay)
        self.complain(words, "failed", now)

    def rest_long(self, argument: tuple[str, float | None], now: float) -> None:
        """What time alone does not heal is asked for seldom."""
        self.trial = None
        words, after_s = argument
        self.refusals += 1
        delay = refused_s(self.refusals, self.office.policy, self.office.dice())
        self.rest_until(now + max(delay, min(after_s or 0.0, MOST_RETRY_AFTER_S)))
        self.expires_at = 0.0
        self.complain(words, WRONG if words == WRONG else "refused", now)

    def complain(self, words: str, word: str, now: float) -> None:
        self.trouble = words
        self.say(self.word if self.expires_at > now else word, now)
        self.office.on_trouble(self)

    def say(self, word: str, now: float) -> None:
        if word != self.word:
            self.word, self.since = word, now
            self.office.on_change(self)

    def off_line(self, _argument: Any, now: float) -> None:
        """The connection is gone, and with it the way by which calls came."""
        self.line = None
        self.trouble = "the connection was lost"

    # The end

    def await_end(self, _argument: Any, now: float) -> None:
        self.rest_until(now + self.office.policy.leave_s)
        self.say("leaving", now)

    def depart(self, _argument: Any, now: float) -> None:
        """Take our contact off, unless the registrar cannot have one."""
        if not self.touched:
            self.step(GRANTED)
            return
        if self.word != "leaving":
            self.await_end(None, now)
        at = self.due
        self.locate(None, now)
        self.due = at

    def finish(self, _argument: Any, now: float) -> None:
        """Nothing is sent for this registration any more."""
        self.trial = None
        self.office.endpoint.wheel.cancel(self)
        self.registrar.waiting.pop(self, None)
        if self.line is not None:
            self.office.lines.let_go(self.line)
            self.line = None
        self.expires_at = 0.0
        self.say("gone", now)
        self.office.gone(self)

    TABLE: ClassVar[Table] = {
        WAITING: {
            ALARM: (LOCATING, (locate,)),
            LEAVE: (LEAVING, (depart,)),
        },
        LOCATING: {
            LOCATED: (ASKING, (Asking.ask,)),
            NOWHERE: (RESTING, (rest,)),
            LEAVE: (LEAVING, (depart,)),
        },
        ASKING: {
            ALARM: (ASKING, (Asking.lose_patience,)),
            NOWHERE: (RESTING, (rest,)),
            GRANTED: (REGISTERED, (settle,)),
            BRIEF: (ASKING, (remember_least, Asking.ask_anew)),  # §10.2.8
            CHALLENGED: (ASKING, (Asking.answer,)),
            REFUSED: (RESTING, (rest_long,)),
            TROUBLED: (RESTING, (rest,)),
            NEXT: (ASKING, (Asking.ask,)),  # RFC 3263 §4.3
            PLAIN: (ASKING, (Asking.ask_plain,)),
            LEAVE: (PARTING, (await_end,)),  # §10.2: one at a time
        },
        REGISTERED: {
            ALARM: (WAITING, (take_turn,)),
            DROPPED: (WAITING, (off_line, take_turn)),  # RFC 5626 §4.4
            AGAIN: (WAITING, (take_turn,)),
            LEAVE: (LEAVING, (depart,)),
        },
        RESTING: {
            ALARM: (WAITING, (take_turn,)),
            AGAIN: (WAITING, (take_turn,)),
            LEAVE: (LEAVING, (depart,)),
        },
        PARTING: {
            ALARM: (GONE, (finish,)),
            NOWHERE: (LEAVING, (depart,)),
            GRANTED: (LEAVING, (depart,)),
            BRIEF: (LEAVING, (depart,)),
            CHALLENGED: (LEAVING, (depart,)),
            REFUSED: (LEAVING, (depart,)),
            TROUBLED: (LEAVING, (depart,)),
            NEXT: (LEAVING, (depart,)),
            PLAIN: (LEAVING, (depart,)),
        },
        LEAVING: {
            ALARM: (GONE, (finish,)),
            LOCATED: (LEAVING, (Asking.ask,)),
            NOWHERE: (GONE, (finish,)),
            GRANTED: (GONE, (finish,)),
            CHALLENGED: (LEAVING, (Asking.answer,)),
            REFUSED: (GONE, (finish,)),
            TROUBLED: (GONE, (finish,)),
            NEXT: (LEAVING, (Asking.ask,)),
            PLAIN: (LEAVING, (Asking.ask_plain,)),
        },
        GONE: {},
    }


_OUT: Final = "no REGISTER is out"
IGNORED: Final = {
    **{
        (state, what): _OUT
        for state in (WAITING, LOCATING, REGISTERED, RESTING)
        for what in (GRANTED, BRIEF, CHALLENGED, REFUSED, TROUBLED, NEXT, PLAIN)
    },
    **{
        (state, LOCATED): "nobody was looked for" for state in (WAITING, ASKING, REGISTERED, RESTING, PARTING)
    },
    **{(state, NOWHERE): "nobody was looked for" for state in (WAITING, REGISTERED, RESTING)},
    **{(state, AGAIN): "on its way" for state in (WAITING, LOCATING, ASKING)},
    **{(state, AGAIN): "it ends" for state in (PARTING, LEAVING)},
    **{(state, LEAVE): "on its way" for state in (PARTING, LEAVING)},
    **{
        (state, DROPPED): "a REGISTER is on its way, or will be"
        for state in (WAITING, LOCATING, ASKING, RESTING)
    },
    **{(state, DROPPED): "it ends" for state in (PARTING, LEAVING)},
    (LOCATING, ALARM): "looking up has a deadline of its own",
    (LEAVING, BRIEF): "an un-REGISTER asks for no time",
}
