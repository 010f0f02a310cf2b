"""Session timers (RFC 4028): a dialog whose peer is gone without a word ends, instead of lasting for ever.

Rules on top, each for one dialog:

- The 2xx of an INVITE, re-INVITE or UPDATE settles interval and refresher anew (§7.2, §9 table 2).
- Who refreshes does so at half of the interval, by UPDATE without a description when the peer allows it, else by
  a re-INVITE with the description that it has (§7.4, §10).
- A session that nobody has refreshed ends min(32 s, interval/3) before it would expire (§10).
- A peer that knows nothing of timers is refreshed by us all the same when the policy says ``always`` (§7.1).

A session without a timer has none of this: ``Session.timer`` is None and nothing is armed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from trunkline.base.errors import RemoteProtocolError
from trunkline.base.wheel import Alarm
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Request, Response
from trunkline.proto.sip.session_expires import (
    SHORTEST_S,
    SessionExpires,
    parse_min_se,
    parse_session_expires,
)
from trunkline.proto.sip.transaction import Failure
from trunkline.ua.failed_hops import retry_after_s
from trunkline.ua.option_tags import supports
from trunkline.ua.sessions.inputs import LOST

if TYPE_CHECKING:
    from trunkline.ua.sessions.session import Session

LONGEST_S: Final = 86_400  # what a peer may make us wait before we look whether it lives
SOON_S: Final = 25  # within how long after a crash everybody is refreshed
_SPEAKS_OF_TIMERS: Final = frozenset({"Session-Expires", "Supported", "Require"})
_AGAIN_S: Final = 10.0  # how soon a refresh that failed for now is tried again


@dataclass(frozen=True, slots=True)
class TimerPolicy:
    """``off`` takes no part; ``asked`` does when the peer speaks of timers; ``always`` refreshes other peers too.

    ``expires_s`` is what we ask for, ``min_se_s`` the shortest that we bear: seconds, 90 or more (RFC 4028 §4).
    """

    mode: Literal["off", "asked", "always"] = "off"
    expires_s: int = 1800
    min_se_s: int = SHORTEST_S

    def asking(self, seconds: int, refresher: str = "") -> str:
        """The lines of a request that asks for an interval."""
        who = f";refresher={refresher}" if refresher else ""
        shortest = f"Min-SE: {self.min_se_s}\r\n" if self.min_se_s > SHORTEST_S else ""
        return f"Session-Expires: {seconds}{who}\r\n{shortest}"

    def offer(self, *, refreshes: bool) -> str:
        """The lines of a first INVITE; the callee is to refresh when we may not (§7.1)."""
        if self.mode == "off":
            return ""
        return self.asking(max(self.expires_s, self.min_se_s), "" if refreshes else "uas")

    def too_short(self, request: Request) -> bool:
        """Whether a request with Session-Expires gets 422 (§9); a peer without ``timer`` cannot ask again.

        Raises RemoteProtocolError when what it says of its timer is malformed.
        """
        asked = parse_session_expires(request.headers["Session-Expires"]).seconds
        parse_min_se(request.headers.get("Min-SE"))
        return self.mode != "off" and asked < self.min_se_s and supports(request, "timer")

    @property
    def unasked(self) -> str:
        """What the 2xx to a caller without timers says: we refresh."""
        return f"Session-Expires: {self.expires_s};refresher=uas\r\n"

    @property
    def refusal(self) -> str:
        """What a 422 says."""
        return f"Min-SE: {self.min_se_s}\r\n"


class SessionTimer(Alarm):
    """``seconds`` is the interval; ``ours`` says that we refresh; ``ends_at`` when it is too late."""

    __slots__ = ("busy", "ends_at", "ours", "seconds", "session")

    def __init__(self, session: Session, seconds: int, *, ours: bool) -> None:
        self.tick = -1  # as Alarm has it
        self.session = session
        self.seconds = seconds
        self.ours = ours
        self.busy = False  # a refresh of ours is on its way
        self.ends_at = 0.0

    def start(self, refresh_s: float = 0.0) -> None:
        """Count anew; the first refresh of ours comes after ``refresh_s`` seconds when they are given."""
        endpoint = self.session.endpoint
        now, seconds = endpoint.now(), self.seconds
        self.ends_at = now + seconds - (32.0 if seconds > 96 else seconds / 3)
        due = now + (refresh_s or seconds / 2) if self.ours else self.ends_at
        # Whole seconds: thousands of calls share a bucket of the wheel.
        endpoint.wheel.arm(self, int(due))

    def stop(self) -> None:
        """The session is over, or its peer speaks of timers no more."""
        self.session.endpoint.wheel.cancel(self)

    def lines(self) -> str:
        """What our requests within the dialog say; the roles are those of the request (§7.4)."""
        policy = self.session.endpoint.session_timers
        return policy.asking(self.seconds, "uac" if self.ours else "uas")

    def fire(self, now: float) -> None:
        session = self.session
        if session.state != session.CONFIRMED:
            if not session.ended:
                self._try_again(now, _AGAIN_S)  # the ACK is still to come
        elif now >= self.ends_at - 1:
            session.step(LOST, "expired")
        elif not self.busy:
            self.busy = True
            self._refresh(now)

    def _refresh(self, now: float) -> None:
        session = self.session
        if not session.takes_update:
            session.user.on_refresh(session)
        elif session.dialog is not None:
            extra = session.endpoint.capabilities + self.lines()
            draft = session.dialog.request("UPDATE", contact=session.contact, extra=extra)
            session.endpoint.send(draft, session.in_dialog_flow(), _Refresh(self, draft), now)

    def refreshed(self, status: int, response: Response | None) -> None:
        """What became of our refresh: 200..699, or a status of our own making and no response."""
        self.busy = False
        session = self.session
        if 200 <= status < 300 or session.state != session.CONFIRMED:
            return  # the 2xx has settled everything when it came: ``agreed``
        now = session.now
        if status in {408, 481}:
            session.step(LOST)
        elif status == 422 and response is not None:
            before, self.seconds = self.seconds, longer(response, self.seconds)
            self._try_again(now, 0.0 if self.seconds > before else _AGAIN_S)
        elif status == 491:
            self._try_again(now, session.reoffer.glare_pause_s())
        else:
            if session.takes_update and status in {405, 420, 501}:
                session.takes_update = False  # it is in its Allow, and it cannot do it
            self._try_again(now, (retry_after_s(response) if response is not None else None) or _AGAIN_S)

    def _try_again(self, now: float, after_s: float) -> None:
        self.session.endpoint.wheel.arm(self, min(now + after_s, max(self.ends_at, now)))

    # A crash

    def snapshot(self) -> dict[str, Any]:
        """Plain data. It does not tell how much time is left, for it is older than the last refresh."""
        return {"seconds": self.seconds, "ours": self.ours, "by_update": self.session.takes_update}


class _Refresh:
    """Waits for the end of an UPDATE that refreshes."""

    __slots__ = ("authorizer", "draft", "timer")

    def __init__(self, timer: SessionTimer, draft: Draft) -> None:
        self.timer = timer
        self.draft = draft
        self.authorizer = timer.session.authorizer_within()

    def on_response(self, _transaction: Any, response: Response, now: float) -> None:
        session = self.timer.session
        if self.authorizer is not None and response.status in {401, 407} and session.timer is self.timer:
            again = self.authorizer.answer(self.draft, response)
            if again is not None:
                self.draft = again
                session.endpoint.send(again, session.in_dialog_flow(), self, now)
                return
        if 200 <= response.status < 300 and session.timer is self.timer:
            try:
                if session.dialog is not None:
                    session.dialog.refresh_target(response)
            except RemoteProtocolError:
                session.endpoint.layer.counters.parse_errors += 1
            agreed(session, response)
        if response.status >= 200:
            self.timer.refreshed(response.status, response)

    def on_failure(self, _transaction: Any, failure: Failure, _now: float) -> None:
        self.timer.refreshed(408 if failure is Failure.TIMEOUT else 503, None)


# What the two sides agree on


def accept(session: Session, request: Request) -> str:
    """The lines of our 2xx to an INVITE, re-INVITE or UPDATE (§9, table 2); the session's timer is set by them."""
    policy, headers = session.endpoint.session_timers, request.headers
    if session.timer is None and (
        policy.mode == "off" or (policy.mode == "asked" and _SPEAKS_OF_TIMERS.isdisjoint(headers))
    ):
        return ""
    value, able = headers.get("Session-Expires"), _knows_timers(headers)
    if value is None and not able:
        # Nobody has asked, and only our policy has a wish.
        if policy.mode != "always" or not session.may_refresh:
            return _stop(session)
        _run(session, policy.expires_s, ours=True)
        return policy.unasked
    shortest = parse_min_se(headers.get("Min-SE"))
    asked = SessionExpires(max(policy.expires_s, shortest)) if value is None else parse_session_expires(value)
    ours = asked.refresher == "uas" if able and asked.refresher else _refreshes(session, able=able)
    if shortest > LONGEST_S or (ours and not session.may_refresh):
        return _stop(session)  # a timer that ends nothing, or that nobody may reset
    seconds = _within(policy, asked.seconds, shortest)
    _run(session, seconds, ours=ours)
    if ours:
        return f"Session-Expires: {seconds};refresher=uas\r\n"
    # §9: the UAC must know that it refreshes.
    return f"Session-Expires: {seconds};refresher=uac\r\nRequire: timer\r\n"


def _knows_timers(headers: dict[str, str]) -> bool:
    supported, required = headers.get("Supported"), headers.get("Require")
    if supported is None and required is None:
        return False
    tags = f"{supported},{required}".lower()
    return "timer" in tags and "timer" in {tag.strip() for tag in tags.replace("\n", ",").split(",")}


def _refreshes(session: Session, *, able: bool) -> bool:
    """Whether we do when nobody has said. As before; else who called us, if it can: it finds us from anywhere."""
    if not able:
        return True
    return session.timer is not None and session.timer.ours


def _within(policy: TimerPolicy, asked: int, shortest: int) -> int:
    """§9: not longer than asked for, not shorter than the Min-SE of the request."""
    shortest = max(shortest, policy.min_se_s)
    return min(max(min(asked, policy.expires_s), shortest), max(asked, SHORTEST_S), LONGEST_S)


def agreed(session: Session, response: Response) -> None:
    """Take over what the 2xx to a request of ours says (§7.2)."""
    policy, timer = session.endpoint.session_timers, session.timer
    value = response.headers.get("Session-Expires")
    if timer is None and (policy.mode == "off" or (value is None and policy.mode == "asked")):
        return
    if value is None:
        if policy.mode == "always" and session.may_refresh:
            _run(session, policy.expires_s if timer is None else timer.seconds, ours=True)
        else:
            _stop(session)
        return
    try:
        seconds, refresher = parse_session_expires(value)
    except RemoteProtocolError:
        session.endpoint.layer.counters.parse_errors += 1
        return
    ours = refresher != "uas"
    if ours and not session.may_refresh:
        _stop(session)
    else:
        _run(session, min(max(seconds, SHORTEST_S), LONGEST_S), ours=ours)


def restore(session: Session, data: dict[str, Any] | None) -> None:
    """Go on with the timer of a snapshot: the peer has its whole time, and we refresh soon, but not all at once."""
    if data is not None:
        session.takes_update = data["by_update"]
        session.timer = SessionTimer(session, data["seconds"], ours=data["ours"])
        session.timer.start(5 + int(session.endpoint.ids.pool.token(4), 16) % SOON_S)


def _stop(session: Session) -> str:
    if session.timer is not None:
        session.timer.stop()
        session.timer = None
    return ""


def _run(session: Session, seconds: int, *, ours: bool) -> None:
    timer = session.timer
    if timer is None:
        timer = session.timer = SessionTimer(session, seconds, ours=ours)
    else:
        timer.seconds, timer.ours = seconds, ours
    timer.start()


def longer(response: Response, seconds: int) -> int:
    """The interval to ask for after a 422: at least its Min-SE (§7.4), within reason."""
    try:
        return min(max(parse_min_se(response.headers.get("Min-SE")), seconds), LONGEST_S)
    except RemoteProtocolError:
        return seconds


def ask_longer(draft: Draft, response: Response) -> Draft | None:
    """The INVITE again after its 422, with the interval that the peer bears (§7.1); None when that would not help."""
    if not response.headers.get("Min-SE") or "Session-Expires: " not in draft.extra:
        return None
    kept, asked = [], 0
    for line in draft.extra.split("\r\n"):
        name, _, value = line.partition(": ")
        if name == "Session-Expires":
            asked = parse_session_expires(value).seconds
        elif line and name != "Min-SE":
            kept.append(line)
    seconds = longer(response, asked)
    if seconds <= asked:
        return None
    lines = [*kept, f"Session-Expires: {seconds}", f"Min-SE: {seconds}", ""]
    again = Draft(**{name: getattr(draft, name) for name in Draft.__slots__})
    again.cseq += 1
    again.extra = "\r\n".join(lines)
    return again
