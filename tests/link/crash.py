"""The exchange dies in the middle of calls, and another process begins at its address with what it kept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from tests.link.memory_network import MemoryNetwork
from tests.link.stage import HOST, PASSWORD, Stage
from trunkline.app.earlier_calls import EarlierCalls
from trunkline.base.errors import LocalProtocolError
from trunkline.call.checkpoints import Checkpoints
from trunkline.call.restored import Restored, Sides
from trunkline.model.extension import Extension
from trunkline.model.kept_call import KeptCall
from trunkline.model.record import CallRecord
from trunkline.model.tenant import SystemScope
from trunkline.store.errors import WriterFullError

NODE = 1


class Journal:
    """The journal and the store behind it: what was written is there after the crash."""

    def __init__(self) -> None:
        self.rows: dict[str, KeptCall] = {}
        self.writes = 0
        self.beats = 0
        self.full = False
        self.takes_s = 0.003
        self.recorded: list[KeptCall] = []

    def write(self, calls: Sequence[KeptCall]) -> None:
        if self.full:
            raise WriterFullError("full")
        self.writes += len(calls)
        self.rows.update({call.id: call for call in calls})

    def gone(self, calls: Iterable[tuple[str, str]]) -> None:
        for _tenant, key in calls:
            self.rows.pop(key, None)

    def alive(self, _node: int, _at: float) -> None:
        self.beats += 1

    async def on_disk(self) -> None:
        """The disk takes its time."""
        await asyncio.sleep(self.takes_s)

    def delete_recorded(self, _scope: SystemScope, _node: int) -> int:
        return 0

    def load_recorded(self, _scope: SystemScope, node: int) -> tuple[KeptCall, ...]:
        return tuple(row for row in self.recorded if row.node == node)

    def load_all(self, _scope: SystemScope, node: int) -> tuple[KeptCall, ...]:
        return tuple(row for row in self.rows.values() if row.node == node)


class Keeping:
    """A stage whose calls are kept: ``sweep`` writes what is due, ``crash`` gives the stage after it."""

    def __init__(self, stage: Stage, journal: Journal | None = None) -> None:
        self.stage = stage
        self.journal = journal or Journal()
        self.checkpoints = Checkpoints(stage.calls, self.journal, NODE, stage.wall)
        self._earlier = EarlierCalls(
            self.journal,  # type: ignore[arg-type]  # it answers what is asked of the repository
            NODE,
            stage.context,
            stage.calls,
            self.checkpoints,
        )

    def sweep(self) -> None:
        """What the exchange does each second."""
        now = self.stage.loop.time()
        while self.checkpoints.step(now) - now < 0.5:
            now += 0.02

    async def after(self, seconds: float) -> None:
        """Let time pass, swept each second."""
        for _ in range(round(seconds)):
            await asyncio.sleep(1)
            self.sweep()

    async def crash(
        self, down_s: float = 0.5, sides: Sides | None = None, *, awaiting: bool = False
    ) -> Keeping:
        """The process dies without a word; the next one is up ``down_s`` seconds later.

        ``sides`` says who is behind the legs of apps. ``awaiting``: no rtpengine answers yet.
        """
        old = self.stage
        ended = [call for call in old.calls.all if call.id not in old.calls.active]
        _silence(old)
        await asyncio.sleep(down_s)
        new = Keeping(_successor(old), self.journal)
        if awaiting:
            new.stage.engine.answers = asyncio.Event()
        new.stage.calls.all += ended
        kept = dict(self.journal.rows)
        await new._earlier.load()
        new._earlier.take_up(sides)
        for key, row in kept.items():
            if key not in new.stage.calls.active:
                _expect_records_of(new.stage, row)
        return new


def _silence(stage: Stage) -> None:
    """Whatever still runs of it reaches nobody and writes nothing."""
    node = stage.network.nodes.pop((HOST, 5060))
    node.receive = None
    node.network = MemoryNetwork(stage.loop)
    stage.endpoint.close()
    stage.context.recorder = _Nowhere()
    stage.context.on_call_over = lambda _record: None
    for task in stage.context.tasks:
        task.cancel()


def _successor(old: Stage) -> Stage:
    new = type(old)(network=old.network, transport=old.transport)
    new.parties = old.parties
    for number, contacts in old.contacts.items():
        new.directory.put(Extension("t1", number, number, f"Number {number}", PASSWORD))
        new.contacts[number] = contacts
    new.records = old.records
    new.over.extend(old.over)
    return new


def _expect_records_of(stage: Stage, row: KeptCall) -> None:
    try:
        stage.calls.all.append(Restored(row, stage.context).call)
    except LocalProtocolError:
        return


class _Nowhere:
    """A recorder of a dead process."""

    def append(self, *records: CallRecord) -> None:
        """Nothing."""
