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
    """``sent`` is what became of the push: None while nobody knows, or when there was none."""

    __slots__ = ("_hand_over", "_told_after", "sent", "shared")

    def __init__(self, hand_over: HandOver) -> None:
        self._hand_over = hand_over
        self._told_after = False
        self.sent: bool | None = None
        self.shared = False
        """The phone was pushed for another leg of the same caller, and rings already."""

    def begin(self) -> bool:
        """Queue the push; False when the phone needs none of its own."""
        one = self._hand_over
        office, ringing = one.office, one.ringing
        if ringing is None or not ringing.claim_push(one):
            self.shared = True
            office.spawn(self._share())
            return False
        until = one.expires_at + office.policy.answer_s
        note = pushing.call_notification(one.facts, one.token, one.device, office.policy, until)
        if note is None:  # the token died a moment ago
            office.spawn(self._step(UNTAKEN))
            return True
        one.tell_story("mobile.push_queued", f"a push goes to {one.label} by {one.device.service}")
        office.spawn(self._send(note))  # after it is written down: no crash makes a second one of it
        return True

    async def _step(self, what: str) -> None:
        self._hand_over.step(what)

    async def _write(self) -> None:
        one, ringing = self._hand_over, self._hand_over.ringing
        await one.office.journal.write(row_of(one))
        if ringing is not None:
            ringing.kept(one)

    async def _share(self) -> None:
        await self._write()
        if self.shared:
            self._hand_over.step(TAKEN)

    async def _send(self, note: Notification) -> None:
        one = self._hand_over
        await self._write()
        if one.state != QUEUED:
            return  # the call has ended meanwhile, or the device is in touch: it needs no push
        fate = await one.office.pushing.send(note, one.device)
        self.sent = fate.sent
        if fate.sent and one.state in FINAL:
            self.call_off()  # it was on its way when the call ended, and rings for nobody now
        else:
            self._tell(fate)

    def _tell(self, fate: Fate) -> None:
        one = self._hand_over
        service = one.device.service
        if fate.sent:
            one.tell_story("mobile.push_sent", f"{service} took the push", status=fate.status)
            one.step(TAKEN)
            return
        why = fate.reason or fate.outcome.value
        one.tell_story("mobile.push_failed", f"{service}: {why}", why=fate.outcome.value)
        if one.state == QUEUED and not one.office.live.is_live(one.device_id):
            one.step(UNTAKEN)

    def call_off(self) -> None:
        """A phone that rings, and hears nothing over the live channel, is told by the token that never rings."""
        one = self._hand_over
        office, kind = one.office, self._kind
        if not kind or not self.sent or self.shared or self._told_after:
            return
        if office.policy.cancel_push == "off" or office.live.is_live(one.device_id):
            return
        self._told_after = True
        note = pushing.after_notification(
            kind, one.facts, one.token, one.device, office.policy, office.wall()
        )
        if note is not None:
            office.spawn(self._after(note))

    @property
    def _kind(self) -> str:
        """What the phone is told; nothing of what its user has done, or what nobody rang for."""
        one = self._hand_over
        if one.state == ENDED:
            return "" if one.accepted or one.reason in _KNOWN else pushing.CANCELLED
        return _AFTER.get(one.state, "")

    async def _after(self, note: Notification) -> None:
        await self._hand_over.office.pushing.send(note, self._hand_over.device)
