"""All providers behind one face: turns, bounds, counts, health."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.virtual_time import virtual
from trunkline.base.errors import ConfigError
from trunkline.push.condition import Condition
from trunkline.push.notification import Fate, Health, Notification, Outcome, Purpose, PushAddress, Service
from trunkline.push.pushers import Pushers

NOW = 1_700_000_000.0
SENT = Fate(Outcome.SENT, 200)


class Provider:
    """Answers when it is let; notes what it was given, and how many at once."""

    def __init__(self, service: Service = Service.FCM, fate: Fate = SENT) -> None:
        self.service = service
        self.fate = fate
        self.given: list[str] = []
        self.let = asyncio.Event()
        self.let.set()
        self.raises: Exception | None = None
        self.wrong: ConfigError | None = None
        self.stopped = False
        self.condition = Condition(service, lambda: NOW)
        self._now = self.most = 0

    async def send(self, notification: Notification) -> Fate:
        self.given.append(notification.id)
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            await self.let.wait()
        finally:
            self._now -= 1
        if self.raises is not None:
            raise self.raises
        return self.fate

    def aim_of(self, address: PushAddress) -> str:
        return address.app or "my-project"

    def health(self) -> Health:
        return self.condition.health()

    async def start(self) -> None:
        if self.wrong is not None:
            raise self.wrong

    async def stop(self) -> None:
        self.stopped = True


def note(
    name: str, purpose: Purpose = Purpose.CALL, service: Service = Service.FCM, expires_at: float = 0
) -> Notification:
    return Notification(PushAddress(service, "t"), purpose, name, {}, expires_at=expires_at)


def pushers(*providers: Provider, queue: int = 10, at_once: int = 1) -> Pushers:
    return Pushers(providers, queue=queue, at_once=dict.fromkeys(Service, at_once), wall=lambda: NOW)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_each_goes_to_its_service_and_is_counted() -> None:
    google, web = Provider(), Provider(Service.WEBPUSH, Fate(Outcome.GONE, 410))
    both = pushers(google, web)
    assert await both.send(note("1")) == SENT
    assert (await both.send(note("2", service=Service.WEBPUSH))).outcome is Outcome.GONE
    assert (google.given, web.given) == (["1"], ["2"])
    figures = both.figures()
    assert figures[Service.FCM].outcomes == {Outcome.SENT: 1}
    assert figures[Service.WEBPUSH].outcomes == {Outcome.GONE: 1}
    assert [one.under_way for one in figures.values()] == [0, 0]


async def test_a_service_that_is_not_set_is_told_with_its_section() -> None:
    only = pushers(Provider())
    fate = await only.send(note("1", service=Service.APNS))
    assert (fate.outcome, fate.reason) == (Outcome.REFUSED, "nothing is set in [push.apns]")
    assert only.unset == 1
    assert not only.has(Service.APNS)
    assert [(one.service, one.word) for one in only.health()] == [
        (Service.APNS, "unset"),
        (Service.FCM, "idle"),
        (Service.WEBPUSH, "unset"),
        (Service.WEBHOOK, "unset"),
    ]


@pytest.mark.scenario(8)
async def test_the_queue_is_bounded() -> None:
    google = Provider()
    google.let.clear()
    one = pushers(google, queue=3, at_once=2)
    sending = [asyncio.create_task(one.send(note(str(number)))) for number in range(6)]
    await settle()
    assert google.given == ["0", "1"]
    assert sending[5].done()
    assert sending[5].result().outcome is Outcome.DROPPED
    assert one.health()[1].queued == 3
    google.let.set()
    fates = await asyncio.gather(*sending)
    assert [fate.outcome for fate in fates[:5]] == [Outcome.SENT] * 5
    assert google.most == 2
    figures = one.figures()[Service.FCM]
    assert figures.outcomes == {Outcome.SENT: 5, Outcome.DROPPED: 1}
    assert (figures.queued, figures.under_way, figures.failed) == (0, 0, 1)


async def test_a_call_goes_before_whatever_waits() -> None:
    google = Provider()
    google.let.clear()
    one = pushers(google)
    sending = [
        asyncio.create_task(one.send(note(name, purpose)))
        for name, purpose in [
            ("first", Purpose.CALL),
            ("refresh", Purpose.BACKGROUND),
            ("missed", Purpose.ALERT),
            ("call", Purpose.CALL),
        ]
    ]
    await settle()
    google.let.set()
    await asyncio.gather(*sending)
    assert google.given == ["first", "call", "refresh", "missed"]


async def test_who_gives_up_while_waiting_sends_nothing() -> None:
    google = Provider()
    google.let.clear()
    one = pushers(google)
    first, second, third = (asyncio.create_task(one.send(note(name))) for name in "abc")
    await settle()
    second.cancel()
    await settle()
    google.let.set()
    await asyncio.gather(first, third)
    assert google.given == ["a", "c"]
    assert one.figures()[Service.FCM].under_way == 0


async def test_a_turn_that_comes_as_somebody_gives_up_is_passed_on() -> None:
    google = Provider()
    google.let.clear()
    one = pushers(google)
    first, second, third = (asyncio.create_task(one.send(note(name))) for name in "abc")
    await settle()
    first.cancel()
    await asyncio.sleep(0)  # its turn is given to the second, who has not run yet
    second.cancel()
    google.let.set()
    assert (await third).sent
    assert google.given == ["a", "c"]
    assert one.figures()[Service.FCM].under_way == 0


async def test_what_expired_while_it_waited_is_not_sent() -> None:
    google = Provider()
    one = pushers(google)
    assert (await one.send(note("late", expires_at=NOW - 1))).outcome is Outcome.DROPPED
    assert (await one.send(note("in time", expires_at=NOW + 1))).sent
    assert google.given == ["in time"]


async def test_a_fault_of_a_provider_ends_no_call() -> None:
    google = Provider()
    google.raises = ValueError("a fault")
    one = pushers(google)
    assert (await one.send(note("1"))).outcome is Outcome.UNAVAILABLE
    google.raises = None
    assert (await one.send(note("2"))).sent


async def test_a_key_that_cannot_be_used_does_not_stop_the_others() -> None:
    google, web = Provider(), Provider(Service.WEBPUSH)
    google.wrong = ConfigError("settings", "push.fcm.service_account_path", "nothing", "a file")
    both = pushers(google, web)
    assert await both.start() == [google.wrong]
    await both.stop()
    assert google.stopped
    assert web.stopped


async def test_at_the_end_what_waits_is_dropped_and_what_is_under_way_ends() -> None:
    google = Provider()
    google.let.clear()
    one = pushers(google)
    under_way, waiting = (asyncio.create_task(one.send(note(name))) for name in "ab")
    await settle()
    stopping = asyncio.create_task(one.stop())
    await settle()
    assert waiting.result() == Fate(Outcome.DROPPED, reason="the gateway stops")
    before = google.stopped
    google.let.set()
    await stopping
    assert under_way.result().sent
    assert (before, google.stopped) == (False, True)
    assert (await one.send(note("c"))).outcome is Outcome.DROPPED


async def test_a_new_provider_takes_what_comes_and_the_old_one_ends_what_it_has() -> None:
    old, new = Provider(), Provider()
    old.let.clear()
    one = pushers(old)
    under_way, waiting = (asyncio.create_task(one.send(note(name))) for name in "ab")
    await settle()
    one.replace({Service.FCM: new}, queue=10)
    assert (await one.send(note("c"))).sent
    figures = one.figures()[Service.FCM]
    assert (figures.queued, figures.under_way, old.stopped) == (1, 1, False)
    old.let.set()
    assert [fate.sent for fate in await asyncio.gather(under_way, waiting)] == [True, True]
    await settle()
    assert (old.given, new.given) == (["a", "b"], ["c"])
    assert (old.stopped, new.stopped) == (True, False)
    figures = one.figures()[Service.FCM]
    assert (figures.outcomes, figures.queued, figures.under_way) == ({Outcome.SENT: 3}, 0, 0)


async def test_a_service_that_is_configured_no_more_ends_what_it_has() -> None:
    old = Provider()
    old.let.clear()
    one = pushers(old)
    under_way = asyncio.create_task(one.send(note("a")))
    await settle()
    one.replace({Service.FCM: None}, queue=10)
    assert (await one.send(note("b"))).reason == "nothing is set in [push.fcm]"
    assert (one.has(Service.FCM), one.health()[1].word) == (False, "unset")
    old.let.set()
    assert (await under_way).sent
    await settle()
    assert old.stopped


@virtual
async def test_a_provider_that_never_answers_is_left_in_the_end() -> None:
    old = Provider()
    old.let.clear()
    one = pushers(old)
    under_way, waiting = (asyncio.create_task(one.send(note(name))) for name in "ab")
    await settle()
    one.replace({Service.FCM: Provider()}, queue=10)
    fates = await asyncio.gather(under_way, waiting)
    assert [fate.outcome for fate in fates] == [Outcome.UNAVAILABLE, Outcome.UNAVAILABLE]
    await settle()
    assert old.stopped


async def test_a_stop_ends_providers_that_were_replaced() -> None:
    old, new = Provider(), Provider()
    old.let.clear()
    one = pushers(old)
    under_way, waiting = (asyncio.create_task(one.send(note(name))) for name in "ab")
    await settle()
    one.replace({Service.FCM: new}, queue=10)
    stopping = asyncio.create_task(one.stop())
    await settle()
    assert waiting.result() == Fate(Outcome.DROPPED, reason="the gateway stops")
    old.let.set()
    await stopping
    assert under_way.result().sent
    assert (old.stopped, new.stopped) == (True, True)


async def test_a_longer_queue_holds_for_providers_that_stay() -> None:
    google = Provider()
    google.let.clear()
    one = pushers(google, queue=1)
    one.replace({}, queue=2)
    sending = [asyncio.create_task(one.send(note(name))) for name in "abcd"]
    await settle()
    google.let.set()
    fates = await asyncio.gather(*sending)
    assert [fate.sent for fate in fates] == [True, True, True, False]


def test_a_condition_keeps_since_when_it_is_so() -> None:
    now = [1.0]
    condition = Condition(Service.FCM, lambda: now[0])
    assert condition.health() == Health(Service.FCM, "idle", "", 1.0)
    now[0] = 2.0
    condition.bad("503")
    now[0] = 3.0
    condition.bad("no answer")
    assert condition.health() == Health(Service.FCM, "failing", "no answer", 2.0)
    condition.good()
    assert condition.health() == Health(Service.FCM, "ready", "", 3.0)


async def test_a_token_that_is_spared_is_not_asked_about_with_each_call_and_its_provider_is_suspect() -> None:
    refused = Fate(Outcome.MISMATCH, 403, "SENDER_ID_MISMATCH")
    google = Provider(fate=refused)
    google.condition.good()
    now = [0.0]
    one = Pushers([google], clock=lambda: now[0], wall=lambda: NOW)
    address = PushAddress(Service.FCM, "t", app="my-project")
    call = Notification(address, Purpose.CALL, "1", {})
    trusted: list[str] = []
    one.on_trusted = lambda: trusted.append(one.trouble_of(address))
    fates = [await one.send(call) for _ in range(3)]
    assert {fate.outcome for fate in fates} == {Outcome.SUSPECT}
    assert trusted == []
    assert google.given == ["1"]
    assert one.trouble_of(address) == "SENDER_ID_MISMATCH"
    health = {known.service: known for known in one.health()}[Service.FCM]
    assert (health.word, health.since) == ("suspect", NOW)
    now[0] += 60
    google.fate = SENT
    assert (await one.send(call)).sent
    assert one.trouble_of(address) == ""
    assert (await one.send(call)).sent
    assert trusted == [""], "told once, when the trouble is over"
    assert {known.word for known in one.health() if known.service is Service.FCM} == {"ready"}
    assert one.figures()[Service.FCM].outcomes == {Outcome.SUSPECT: 3, Outcome.SENT: 2}


async def test_settings_that_replace_others_are_trusted_for_nothing_of_before() -> None:
    wrong = Fate(Outcome.MISMATCH, 403, "SENDER_ID_MISMATCH")
    right, now_wrong = Provider(), Provider(fate=wrong)
    one = pushers(right)
    call = Notification(PushAddress(Service.FCM, "t", app="my-project"), Purpose.CALL, "1", {})
    assert (await one.send(call)).sent
    trusted: list[str] = []
    one.on_trusted = lambda: trusted.append(one.trouble_of(call.address))
    one.replace({Service.FCM: now_wrong}, 10)
    assert (await one.send(call)).outcome is Outcome.SUSPECT
    one.replace({}, 10)
    assert trusted == [""]
    one.replace({Service.FCM: right}, 10)
    assert trusted == ["", ""], "what was said by the settings before counts no more"
    await one.stop()


async def test_of_a_service_that_is_not_set_nothing_is_in_trouble() -> None:
    assert pushers().trouble_of(PushAddress(Service.APNS, "t")) == ""
