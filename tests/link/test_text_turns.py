"""Many readers at once, and readers that cannot take what they are sent: the queue of texts by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.link.stage import Stage
from tests.link.test_texts import TextShelf
from tests.link.virtual_time import virtual
from trunkline.base.errors import CallFailed
from trunkline.base.story import Story
from trunkline.message.policy import TextPolicy
from trunkline.message.queue import TextQueue
from trunkline.model.text import Text

TENANT = "t1"


def text(at: float, receiver: str, number: int = 0, keep_s: float = 3600.0) -> Text:
    return Text(
        TENANT,
        f"{receiver}-{number}",
        "1001",
        receiver,
        "<sip:1001@pbx.test>",
        f"<sip:{receiver}@pbx.test>",
        f"call-{receiver}-{number}",
        "text/plain",
        "",
        b"hello",
        70,
        at,
        at + keep_s,
    )


class Readers:
    """Where texts go: each takes ``takes_s`` to arrive, and is answered with what ``answer`` says."""

    def __init__(self, policy: TextPolicy) -> None:
        self.stage = stage = Stage()
        self.shelf = TextShelf(stage)
        self.takes_s = 1.0
        self.answer: Callable[[Text], int] = lambda _text: 200
        self.under_way = self.most = 0
        self.came: list[str] = []
        self.over: list[tuple[str, int]] = []
        self.queue = TextQueue(
            self._deliver,
            self.shelf,
            stage.endpoint.wheel,
            now=stage.endpoint.now,
            wall=stage.wall,
            spawn=stage.context.spawn,
            policy=policy,
            on_over=lambda text, status, _story: self.over.append((text.id, status)),
        )

    async def _deliver(self, text: Text, story: Story) -> int:
        story.add(self.stage.wall(), "text.sent", text.id)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.takes_s)
        finally:
            self.under_way -= 1
        status = self.answer(text)
        if status >= 300:
            raise CallFailed(status, "no", 0, "text.refused")
        self.came.append(text.id)
        return status

    def keep(self, *receivers: str, each: int = 1) -> None:
        """Texts that were kept before the exchange began."""
        self.queue.restore(
            text(self.stage.wall(), receiver, number) for receiver in receivers for number in range(each)
        )


@pytest.mark.rule("T-39")
@virtual
async def test_when_thousands_come_back_at_once_their_texts_take_turns_and_all_arrive() -> None:
    readers = Readers(TextPolicy(most_at_once=20))
    everybody = [f"{number}" for number in range(2000, 2200)]
    readers.keep(*everybody, each=2)
    readers.queue.start()
    for receiver in everybody:
        readers.queue.wake(TENANT, receiver)
    await asyncio.sleep(5)
    assert readers.most == 20
    await asyncio.sleep(60)
    assert len(readers.came) == 400
    assert [each for each in readers.came if each.startswith("2000-")] == ["2000-0", "2000-1"]
    assert readers.queue.count == 0
    await readers.stage.settle()


@pytest.mark.rule("T-39")
@virtual
async def test_who_writes_now_does_not_wait_for_those_who_come_back() -> None:
    readers = Readers(TextPolicy(most_at_once=2))
    readers.takes_s = 20.0
    readers.keep("2000", "2001", "2002")
    readers.queue.start()
    begun = readers.stage.loop.time()
    readers.takes_s = 1.0
    assert await readers.queue.submit(text(readers.stage.wall(), "3000"), Story(0.0)) == 200
    assert readers.stage.loop.time() - begun < 2
    await asyncio.sleep(100)
    assert len(readers.came) == 4
    await readers.stage.settle()


@pytest.mark.rule("T-39")
@virtual
async def test_a_text_that_its_reader_cannot_take_does_not_hold_up_the_others_for_ever() -> None:
    readers = Readers(TextPolicy(most_faults=3, first_retry_s=10.0))
    readers.answer = lambda text: 500 if text.id == "2000-0" else 200
    readers.keep("2000", each=3)
    readers.queue.start()
    await asyncio.sleep(15)
    assert not readers.came
    await asyncio.sleep(60)
    assert readers.over == [("2000-0", 500), ("2000-1", 200), ("2000-2", 200)]
    await readers.stage.settle()


@virtual
async def test_a_reader_who_is_busy_or_away_is_waited_for_however_long() -> None:
    readers = Readers(TextPolicy(most_faults=2, first_retry_s=1.0, longest_retry_s=1.0))
    statuses = iter([486, 480] * 10)
    readers.answer = lambda _text: next(statuses, 200)
    readers.keep("2000")
    readers.queue.start()
    await asyncio.sleep(100)
    assert readers.over == [("2000-0", 200)]
    await readers.stage.settle()


@pytest.mark.rfc("3428", "7")
@virtual
async def test_a_text_that_is_for_now_alone_is_not_kept() -> None:
    readers = Readers(TextPolicy())
    readers.answer = lambda _text: 480
    with pytest.raises(CallFailed, match="480"):
        await readers.queue.submit(text(readers.stage.wall(), "2000", keep_s=0.0), Story(0.0))
    assert not readers.shelf.texts
    assert readers.queue.count == 0
    await readers.stage.settle()


@pytest.mark.rule("T-39")
@pytest.mark.parametrize("what", ["2000", ""])
@virtual
async def test_whoever_gets_the_number_of_a_removed_extension_does_not_get_its_texts(what: str) -> None:
    readers = Readers(TextPolicy(first_retry_s=10.0))
    readers.answer = lambda _text: 480
    readers.keep("2000", "2001", each=2)
    readers.queue.start()
    await asyncio.sleep(5)
    readers.queue.gone("t2", what)
    assert readers.queue.count == 4
    readers.queue.gone(TENANT, what)
    left = ["2001-0", "2001-1"] if what else []
    assert (
        readers.over
        == [(f"{number}-{at}", 404) for number in ("2000", "2001") for at in (0, 1)][: 4 - len(left)]
    )
    readers.answer = lambda _text: 200
    readers.queue.wake(TENANT, "2000")
    await asyncio.sleep(30)
    assert readers.came == left
    assert not readers.shelf.texts
    await readers.stage.settle()


@virtual
async def test_those_who_wait_for_their_turn_stay_waiting_when_the_exchange_stops() -> None:
    readers = Readers(TextPolicy(most_at_once=2))
    readers.keep("2000", "2001", "2002", "2003")
    readers.queue.start()
    await asyncio.sleep(0.5)
    tasks = list(readers.stage.context.tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not [task for task in readers.stage.context.tasks if not task.done()]
    assert (readers.queue.count, readers.came) == (4, [])
    for receiver in ("2000", "2001", "2002", "2003"):
        readers.queue.drop(TENANT, receiver)
    await readers.stage.settle()
