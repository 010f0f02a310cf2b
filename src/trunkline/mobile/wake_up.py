"""The one push of a hand-over, and what follows it when the call ends before the phone stops ringing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trunkline.mobile import pushing
from trunkline.mobile.rows import row_of
from trunkline.mobile.words import CANCELLED, ELSEWHERE, ENDED, EXPIRED, FINAL, QUEUED, TAKEN, UNTAKEN
from trunkline.push.notification import Fate, Notification

if TYPE_CHECKING:
    from trunkline.mobile.hand_over import HandOver

_KNOWN: Final = frozenset({"rejected", "hangup", "push_failed", "unreachable", "device_removed"})
_AFTER: Final = {CANCELLED: pushing.CANCELLED, ELSEWHERE: pushing.ELSEWHERE, EXPIRED: pushing.MISSED}


class WakeUp:
    """``sent`` is what became of the push: None while nobody knows, or when there was none.

    Its hand-over is handed in each time: a reference back would leave the whole call to the garbage collector.
    """

    __slots__ = ("_told_after", "sent", "shared")

    def __init__(self) -> None:
        self._told_after = False
        self.sent: bool | None = None
        self.shared = False
        """The phone was pushed for another leg of the same caller, and rings already."""

    def begin(self, one: HandOver) -> bool:
        """Queue the push; False when the phone needs none of its own."""
        office, ringing = one.office, one.ringing
        if ringing is None or not ringing.claim_push(one):
            self.shared = True
            office.spawn(self._share(one))
            return False
        until = one.expires_at + office.policy.answer_s
        note = pushing.call_notification(one.facts, one.token, one.device, office.policy, until)
        if note is None:  # the token died a moment ago
            office.spawn(self._step(one, UNTAKEN))
            return True
        one.tell_story("mobile.push_queued", f"a push goes to {one.label} by {one.device.service}")
        office.spawn(self._send(one, note))  # after it is written down: no crash makes a second one of it
        return True

    async def _step(self, one: HandOver, what: str) -> None:
        one.step(what)

    async def _write(self, one: HandOver) -> None:
        ringing = one.ringing
        await one.office.journal.write(row_of(one))
        if ringing is not None:
            ringing.kept(one)

    async def _share(self, one: HandOver) -> None:
        await self._write(one)
        if self.shared:
            one.step(TAKEN)

    async def _send(self, one: HandOver, note: Notification) -> None:
        await self._write(one)
        if one.state != QUEUED:
            return  # the call has ended meanwhile, or the device is in touch: it needs no push
        fate = await one.office.pushing.send(note, one.device)
        self.sent = fate.sent
        if fate.sent and one.state in FINAL:
            self.call_off(one)  # it was on its way when the call ended, and rings for nobody now
        else:
            self._tell(one, fate)

    def _tell(self, one: HandOver, fate: Fate) -> None:
        service = one.device.service
        if fate.sent:
            one.tell_story("mobile.push_sent", f"{service} took the push", status=fate.status)
            one.step(TAKEN)
            return
        why = fate.reason or fate.outcome.value
        one.tell_story("mobile.push_failed", f"{service}: {why}", why=fate.outcome.value)
        if one.state == QUEUED and not one.office.live.is_live(one.device_id):
            one.step(UNTAKEN)

    def call_off(self, one: HandOver) -> None:
        """A phone that rings, and hears nothing over the live channel, is told by the token that never rings."""
        office, kind = one.office, _kind_of(one)
        if not kind or not self.sent or self.shared or self._told_after:
            return
        if office.policy.cancel_push == "off" or office.live.is_live(one.device_id):
            return
        self._told_after = True
        note = pushing.after_notification(
            kind, one.facts, one.token, one.device, office.policy, office.wall()
        )
        if note is not None:
            office.spawn(self._after(one, note))

    async def _after(self, one: HandOver, note: Notification) -> None:
        await one.office.pushing.send(note, one.device)


def _kind_of(one: HandOver) -> str:
    """What the phone is told; nothing of what its user has done, or what nobody rang for."""
    if one.state == ENDED:
        return "" if one.accepted or one.reason in _KNOWN else pushing.CANCELLED
    return _AFTER.get(one.state, "")
