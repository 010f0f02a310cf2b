"""Ringing phones that sleep: a push, the REGISTER that follows it, and only then the INVITE (RFC 8599 §5.6.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from trunkline.call.party import Party
from trunkline.call.sip_leg import SipLeg
from trunkline.call.target import StaticTargets, Target
from trunkline.model.binding import Binding
from trunkline.registrar.ports import Wake, WakeReason
from trunkline.registrar.push_desk import Watch
from trunkline.registrar.sleeping import SleepingTarget, split
from trunkline.ua.sessions import ClientSession

if TYPE_CHECKING:
    from trunkline.call.call import Call

SILENT_S: Final = 2.0
"""How long a phone may say nothing by a connection that stands; then it is woken."""
_LOOK_S: Final = 0.1
_NO_TOKEN: Final = ""


def rousing(targets: AsyncIterable[Target], call: Call, caller: Party | None = None) -> AsyncIterable[Target]:
    """``targets`` as a source for a fork of ``call``: those that sleep among them are woken, and join late.

    ``caller`` is who rings them, the call's own caller unless another is given.
    """
    if not isinstance(targets, StaticTargets):
        return targets
    for target in targets.targets:
        if isinstance(target, SleepingTarget):
            return WakingTargets(targets.targets, call, caller or call.caller)
    return targets


class WakingTargets:
    """Who is awake at once; then each phone that was asleep, once, when it has registered after its push began.

    It ends when none is left to wait for: all have come, their pushes have failed, or the time is up. A fork that ends
    before closes it, and with it all that waits.
    """

    def __init__(self, targets: Sequence[Target], call: Call, caller: Party) -> None:
        self._targets = targets
        self._call = call
        self._caller = caller

    async def __aiter__(self) -> AsyncIterator[Target]:
        awake, asleep = split(self._targets)
        waiting = Waiting(asleep, self._call, self._caller)
        try:
            for target in awake:
                yield target
            while (late := await waiting.next()) is not None:
                yield late
        finally:
            waiting.end()


class Waiting:
    """Pushes on their way and the phones that are to come, for one fork."""

    def __init__(self, sleepers: Sequence[SleepingTarget], call: Call, caller: Party) -> None:
        self._call = call
        self._loop = call.context.endpoint.loop
        desk = sleepers[0].desk
        self._policy = desk.policy
        self._began = self._loop.time()
        self._until = self._began + self._policy.contact_timeout_s
        self._news: asyncio.Queue[tuple[SleepingTarget, Binding | None]] = asyncio.Queue(2 * len(sleepers))
        self._left: dict[SleepingTarget, Watch] = {}
        self._called: list[SleepingTarget] = []
        self._pushes: list[asyncio.Task[Any]] = []
        ids = call.context.endpoint.ids
        # Two phones may share a token: one push wakes both, and both name the same call.
        by_token: dict[str, list[SleepingTarget]] = {}
        for sleeper in sleepers:
            self._left[sleeper] = sleeper.desk.watch(sleeper.record, self._comes(sleeper))
            address = sleeper.record.address("call")
            by_token.setdefault(address.token if address is not None else _NO_TOKEN, []).append(sleeper)
        for token, group in by_token.items():
            if token == _NO_TOKEN:
                self._fail(group, "it takes no calls by push")
                continue
            call_id = ids.call_id()
            for sleeper in group:
                sleeper.like = call_id, ids.tag()
            wake = self._wake_for(caller, call_id, desk.wall() + self._policy.contact_timeout_s)
            work = self._push(group, wake) if group[0].first is None else self._try_first(group, wake)
            self._pushes.append(call.context.spawn(work))
        if self._policy.provisional == "on_invite":
            call.early.promise()

    def _comes(self, sleeper: SleepingTarget) -> Any:
        return lambda binding: self._news.put_nowait((sleeper, binding))

    @staticmethod
    def _wake_for(caller: Party, call_id: str, until: float) -> Wake:
        if caller.anonymous:
            return Wake(WakeReason.CALL, call_id=call_id, expires_at=until)
        uri = f"{caller.number}@{caller.domain}"
        return Wake(WakeReason.CALL, uri, caller.name, call_id, until)

    async def _try_first(self, group: list[SleepingTarget], wake: Wake) -> None:
        """Phones that are rung by a connection which stands: they are woken when nothing comes back."""
        for sleeper in group:
            if sleeper.first is not None:
                sleeper.first.like = sleeper.like
        for _ in range(round(SILENT_S / _LOOK_S)):
            await asyncio.sleep(_LOOK_S)
            found = [self._heard(sleeper.first) for sleeper in group]
            if any(one is True for one in found):
                for sleeper in group:
                    self._news.put_nowait((sleeper, None))
                return
            if all(one is False for one in found):
                break
        self._call.tell("wake.silent", f"{group[0].label}: nothing comes back by its connection")
        await self._push(group, wake)

    def _heard(self, first: Target | None) -> bool | None:
        """Whether a phone has answered anything; None while it still may, False when its branch has failed unheard."""
        fork = self._call.fork
        legs = [] if first is None or fork is None else fork.branches
        for leg in legs:
            if isinstance(leg, SipLeg) and first is not None and leg.outcome.target == first.label:
                session = leg.session
                if isinstance(session, ClientSession) and session.heard:
                    return True
                return False if leg.done else None
        return None

    async def _push(self, group: list[SleepingTarget], wake: Wake) -> None:
        first = group[0]
        self._called += group
        self._call.tell(
            "wake.push", f"{first.label}: a push wakes it", service=first.record.provider, phones=len(group)
        )
        fate = await first.desk.wake(first.record, wake)
        if fate.sent:
            self._call.tell("wake.pushed", f"{first.label}: the push is on its way", status=fate.status)
            if self._policy.provisional == "on_push_accepted":
                self._call.early.promise()
        else:
            why = " ".join(str(each) for each in (fate.status or "", fate.reason) if each)
            self._fail(group, f"{fate.outcome}{f' ({why})' if why else ''}")

    def _fail(self, group: list[SleepingTarget], why: str) -> None:
        self._call.tell("wake.not_pushed", f"{group[0].label}: no push wakes it: {why}")
        for sleeper in group:
            if sleeper in self._called:
                self._called.remove(sleeper)
            self._news.put_nowait((sleeper, None))

    async def next(self) -> Target | None:
        """The next phone that has come; None when there is none to wait for any more."""
        while self._left:
            try:
                async with asyncio.timeout_at(self._until):
                    sleeper, binding = await self._news.get()
            except TimeoutError:
                waited = round(self._policy.contact_timeout_s)
                self._call.tell("wake.no_phone", f"{len(self._left)} did not come within {waited} s")
                return None
            watch = self._left.pop(sleeper, None)
            if watch is None:
                continue  # it has come, whatever its push says
            sleeper.desk.unwatch(watch)
            target = self._come(sleeper, binding) if binding is not None else None
            if target is not None:
                return target
        return None

    def _come(self, sleeper: SleepingTarget, binding: Binding) -> Target | None:
        after = self._loop.time() - self._began
        self._call.tell(
            "wake.registered",
            f"{sleeper.label}: it has registered, after {after:.1f} s",
            after_s=round(after, 3),
        )
        if sleeper in self._called:
            self._called.remove(sleeper)
        if sleeper.first is not None and self._heard(sleeper.first):
            return None  # it rings already
        target = sleeper.awake(binding)
        if target is None:
            self._call.tell("wake.other_way", f"{sleeper.label}: it has come by a way that is not taken")
        else:
            target.like = sleeper.like
        return target

    def end(self) -> None:
        """Nobody is waited for any more; phones that were woken in vain are told so."""
        for sleeper, watch in self._left.items():
            sleeper.desk.unwatch(watch)
        self._left.clear()
        for push in self._pushes:
            push.cancel()
        spawn = self._call.context.spawn
        for sleeper in self._called:
            if self._policy.cancel_push and sleeper.record.address("quiet") is not None and sleeper.like:
                gone = Wake(WakeReason.CANCELLED, call_id=sleeper.like[0])
                spawn(_told(sleeper, gone))
        self._called.clear()


async def _told(sleeper: SleepingTarget, wake: Wake) -> None:
    await sleeper.desk.wake(sleeper.record, wake)
