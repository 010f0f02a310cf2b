"""Settings read anew: what takes effect at once, what waits, and a wrong file that changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import BaseModel

from trunkline.app.addresses import HostAddresses
from trunkline.app.api_plane import Api
from trunkline.app.exchange import Exchange
from trunkline.app.finding import Finding
from trunkline.app.live_parts import (
    Always,
    Apply,
    Certificates,
    ExchangeValues,
    Listeners,
    LogSettings,
    MetricsPlace,
)
from trunkline.app.live_planes import PushProviders
from trunkline.app.peering import Peering
from trunkline.app.reload import Reloader
from trunkline.app.service_manager import ServiceManager
from trunkline.app.settings import Settings
from trunkline.app.settings.errors import model_in
from trunkline.app.settings.file import load_settings
from trunkline.app.settings.live import LIVE, RESTART, as_text, values_of, with_values
from trunkline.app.signals import reload_on_hangup
from trunkline.base.errors import ConfigError, TransportError
from trunkline.base.messages import Refused, Reloaded
from trunkline.net import Net
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.ua.overload import Overload, OverloadPolicy
from trunkline.ua.sessions.session_timer import TimerPolicy

HOST = HostAddresses("192.0.2.7")
FIRST = 'domain = "a.example"\n[sip]\nring_timeout_s = 20\n'


class Everything(Always):
    """A part that takes over whatever is live, and notes it; it may fail while it prepares."""

    keys = LIVE

    def __init__(self) -> None:
        self.changed: list[frozenset[str]] = []
        self.undone = 0
        self.failure: Exception | None = None

    async def check(self, new: Settings, changed: frozenset[str]) -> None:
        if self.failure is not None:
            raise self.failure

    async def prepare(self, new: Settings, changed: frozenset[str], undo: AsyncExitStack) -> Apply:
        undo.callback(self._undo)
        if self.failure is not None:
            raise self.failure

        async def apply() -> str:
            self.changed.append(changed)
            return "all was done"

        return apply

    def _undo(self) -> None:
        self.undone += 1


class Case:
    """A reloader over a file that can be written anew."""

    def __init__(self, folder: Path, overrides: dict[str, Any] | None = None) -> None:
        self.file = folder / "t.toml"
        self.file.write_text(FIRST)
        self.part = Everything()
        self.told: list[Settings] = []
        loaded = load_settings(self.file, folder, overrides, HOST, {})
        self.reloader = Reloader(loaded, [self.part], self.told.append)

    async def after(self, text: str, *, dry_run: bool = False) -> Reloaded:
        self.file.write_text(text)
        return await self.reloader.reload(dry_run=dry_run)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def keys(changes: tuple[Any, ...]) -> list[str]:
    return [change.key for change in changes]


async def test_live_keys_are_applied_and_the_others_wait_for_a_restart(case: Case) -> None:
    done = await case.after('domain = "b.example"\n[sip]\nring_timeout_s = 30\n[log]\nlevel = "debug"\n')
    assert keys(done.applied) == ["sip.ring_timeout_s", "log.level"]
    assert keys(done.restart) == ["domain"]
    assert (done.restart[0].old, done.restart[0].new) == ("'a.example'", "'b.example'")
    assert done.done == ("all was done",)
    assert case.part.changed == [frozenset({"sip.ring_timeout_s", "log.level"})]
    running = case.reloader.running
    assert (running.sip.ring_timeout_s, running.log.level, running.domain) == (30, "debug", "a.example")
    assert case.told == [running]


async def test_what_waits_for_a_restart_is_told_each_time_and_what_was_applied_once(case: Case) -> None:
    text = 'domain = "b.example"\n[sip]\nring_timeout_s = 30\n'
    await case.after(text)
    again = await case.after(text)
    assert (keys(again.applied), keys(again.restart)) == ([], ["domain"])


async def test_a_wrong_file_is_refused_wholly_and_changes_nothing(case: Case) -> None:
    with pytest.raises(Refused) as caught:
        await case.after('domian = "x"\n[sip]\nring_timeout_s = 0\n[log]\nlevel = "debug"\n')
    problem = caught.value.problem
    assert problem.code == "settings.wrong"
    assert f"{case.file}: domian: saw an unknown key" in problem.detail
    assert f"{case.file}: sip.ring_timeout_s: saw 0, expected at least 1" in problem.detail
    assert (case.part.changed, case.told, case.reloader.running.log.level) == ([], [], "info")


async def test_a_file_that_is_gone_is_refused(case: Case) -> None:
    case.file.unlink()
    with pytest.raises(Refused, match="a readable file"):
        await case.reloader.reload()


async def test_a_part_that_fails_undoes_what_others_prepared(case: Case) -> None:
    case.part.failure = TransportError("cannot serve metrics on 127.0.0.1:9090: in use")
    with pytest.raises(Refused, match="cannot serve metrics"):
        await case.after(FIRST + "[log]\nlevel = 'debug'\n")
    assert (case.part.undone, case.part.changed, case.reloader.running.log.level) == (1, [], "info")


async def test_a_dry_run_tells_and_changes_nothing(case: Case) -> None:
    done = await case.after(FIRST.replace("20", "25"), dry_run=True)
    assert done.dry_run
    assert keys(done.applied) == ["sip.ring_timeout_s"]
    assert (case.part.changed, case.told, case.reloader.running.sip.ring_timeout_s) == ([], [], 20)


async def test_a_dry_run_refuses_what_a_part_would_refuse(case: Case) -> None:
    case.part.failure = ConfigError("settings", "push.apns.key_path", "no key", "a key")
    with pytest.raises(Refused, match=r"settings: push\.apns\.key_path: saw no key") as by_dry_run:
        await case.after(FIRST, dry_run=True)
    with pytest.raises(Refused) as by_reload:
        await case.reloader.reload()
    assert by_dry_run.value.problem == by_reload.value.problem
    assert case.part.changed == []


async def test_a_dry_run_reads_the_files_of_the_part_of_signatures_and_of_listeners(tmp_path: Path) -> None:
    key = tmp_path / "stir.pem"
    key.write_text("no key")
    stir = {"key": str(key), "certificate_url": "https://pbx.example/stir.pem"}
    looked: list[list[str]] = []
    tls = SimpleNamespace(check=lambda more=(): looked.append([one.url for one in more]))
    exchange = SimpleNamespace(
        settings=Settings.model_validate({"sip": {"listen": ["udp:127.0.0.1:5060"]}}),
        net=SimpleNamespace(tls=tls),
        endpoint=SimpleNamespace(ids=SimpleNamespace(prefix="0000")),
        wall=lambda: 0.0,
    )
    listen = ["udp:127.0.0.1:5060", "tls:127.0.0.1:5061"]
    new = Settings.model_validate({"sip": {"listen": listen}, "stir": stir})
    with pytest.raises(ConfigError, match=r"stir\.key"):
        await Peering(cast("Exchange", exchange)).check(new, frozenset())
    await Listeners(cast("Exchange", exchange)).check(new, frozenset({"sip.listen"}))
    await Certificates(cast("Exchange", exchange)).check(new, frozenset())
    assert looked == [["tls:127.0.0.1:5061"], []]


async def test_options_of_the_command_line_still_win(tmp_path: Path) -> None:
    case = Case(tmp_path, {"log.level": "error"})
    done = await case.after(FIRST + "[log]\nlevel = 'debug'\n")
    assert (done.applied, case.reloader.running.log.level) == ((), "error")


async def test_a_flood_of_signals_is_one_reload_more(case: Case) -> None:
    await asyncio.gather(*(case.reloader.on_signal() for _ in range(20)))
    assert 1 <= len(case.part.changed) <= 2


async def test_a_signal_with_a_wrong_file_raises_nothing(case: Case) -> None:
    case.file.write_text("domain = ")
    await case.reloader.on_signal()
    assert case.part.changed == []


def all_keys(model: type[BaseModel], prefix: str = "") -> set[str]:
    """Every key that the file may say; a list of tables is one key."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found |= all_keys(inner, f"{prefix}{name}.")
        else:
            assert model_in(inner) is None or name in {
                "listen",
                "certificates",
                "audio_sockets",
                "lists",
                "peers",
                "trunks",
            }, f"{name}: a new list of tables"
            found.add(f"{prefix}{name}")
    return found


def test_every_key_says_whether_it_is_live() -> None:
    assert LIVE.isdisjoint(RESTART)
    declared, known = LIVE | RESTART, all_keys(Settings)
    assert known - declared == set(), "name them in LIVE or in RESTART of trunkline.app.settings.live"
    assert declared - known == set(), "these are no keys of the settings"


def test_every_live_key_has_a_part_that_takes_it_over() -> None:
    parts: list[Any] = [
        ExchangeValues,
        LogSettings,
        PushProviders,
        Listeners,
        Peering,
        Api,
        MetricsPlace,
        Certificates,
    ]
    taken = [key for part in parts for key in part.keys]
    assert sorted(taken) == sorted(LIVE)


def test_values_are_put_over_by_their_dotted_keys() -> None:
    old = Settings()
    new = Settings.model_validate({"node": 3, "sip": {"nat": False, "registration": {"min_expires_s": 10}}})
    made = with_values(old, new, ["sip.registration.min_expires_s"])
    assert (made.sip.registration.min_expires_s, made.sip.nat, made.node) == (10, True, 0)
    assert values_of(made)["sip.registration.min_expires_s"] == 10


def test_peers_are_shown_by_name_and_place() -> None:
    settings = Settings.model_validate(
        {"peers": [{"name": "carrier", "addresses": ["192.0.2.1", "10.0.0.0/8"]}]}
    )
    assert as_text("peers", settings.peers) == "carrier addresses [192.0.2.1/32, 10.0.0.0/8]"


def test_listeners_are_shown_as_they_are_written() -> None:
    listen = [{"url": "udp:127.0.0.1:5060", "role": "trunk"}, "tcp:127.0.0.1:5060"]
    settings = Settings.model_validate({"sip": {"listen": listen}})
    assert as_text("sip.listen", settings.sip.listen) == "udp:127.0.0.1:5060 role trunk, tcp:127.0.0.1:5060"
    assert as_text("auth.secret", "hunter2") == "(hidden)"


async def applied(
    take: Callable[[Exchange], ExchangeValues], exchange: Any, new: Settings, *changed: str
) -> None:
    async with AsyncExitStack() as undo:
        apply = await take(cast("Exchange", exchange)).prepare(new, frozenset(changed), undo)
    await apply()


async def test_the_exchange_reads_the_new_values() -> None:
    old = RegistrarPolicy()
    adjusted: list[RegistrarPolicy] = []
    exchange = SimpleNamespace(
        policy=old,
        registrar=SimpleNamespace(adjust=adjusted.append),
        reaching=SimpleNamespace(policy=old, profile="transparent"),
        context=SimpleNamespace(ring_timeout_s=60.0),
    )
    new = Settings.model_validate(
        {"sip": {"ring_timeout_s": 5, "max_contacts": 3, "nat": False, "sdp_profile": "conservative"}}
    )
    await applied(ExchangeValues, exchange, new, "sip.max_contacts", "sip.nat")
    assert exchange.policy.max_contacts == 3
    assert adjusted == [exchange.policy]
    assert exchange.reaching.policy is exchange.policy
    assert (exchange.context.ring_timeout_s, exchange.reaching.profile) == (60.0, "transparent")
    await applied(ExchangeValues, exchange, new, "sip.ring_timeout_s", "sip.sdp_profile")
    assert (exchange.context.ring_timeout_s, exchange.reaching.profile) == (5, "conservative")


async def test_names_are_looked_up_by_the_new_settings() -> None:
    net = Net(asyncio.get_running_loop(), lambda _data, _flow: None)
    finding = Finding(Settings(), net, asyncio.get_running_loop())
    large = SimpleNamespace(within_s=2.0)
    exchange = SimpleNamespace(finding=finding, endpoint=SimpleNamespace(large=large))
    new = Settings.model_validate(
        {"sip": {"next_hop_s": 3, "tcp_within_s": 0.5}, "dns": {"servers": ["192.0.2.53"], "timeout_s": 4}}
    )
    await applied(ExchangeValues, exchange, new, "dns.servers", "sip.tcp_within_s")
    assert (finding.next_hops.patience_s, large.within_s) == (3, 0.5)


async def test_session_timers_and_limits_of_load_hold_from_the_next_call_on() -> None:
    taken: list[TimerPolicy] = []
    endpoint = SimpleNamespace(set_session_timers=taken.append, overload=Overload())
    new = Settings.model_validate(
        {"sip": {"session_timer": {"mode": "asked", "expires_s": 600}, "overload": {"lag_s": 2.0}}}
    )
    exchange = SimpleNamespace(endpoint=endpoint)
    await applied(ExchangeValues, exchange, new, "sip.session_timer.expires_s", "sip.overload.lag_s")
    assert taken == [TimerPolicy("asked", 600, 90)]
    assert endpoint.overload.policy == OverloadPolicy(enabled=True, lag_s=2.0, retry_after_s=5)


class Manager(ServiceManager):
    """A service manager that notes what it is told."""

    def __init__(self) -> None:
        super().__init__({})
        self.told: list[str] = []

    def _tell(self, text: str) -> None:
        self.told.append(text.splitlines()[0])


async def test_the_service_manager_is_told_when_a_reload_begins_and_ends(tmp_path: Path) -> None:
    case, manager = Case(tmp_path), Manager()
    reloader = Reloader(load_settings(case.file, tmp_path, None, HOST, {}), [case.part], manager=manager)
    await reloader.reload(dry_run=True)
    assert manager.told == []
    await reloader.reload()
    assert manager.told == ["RELOADING=1", "STATUS=", "READY=1"]
    manager.told.clear()
    case.file.write_text("domian = 'x'")
    await reloader.on_signal()
    assert manager.told[0] == "RELOADING=1"
    assert manager.told[1].startswith("STATUS=settings refused: ")
    assert manager.told[2] == "READY=1"


class Slow(Always):
    """A part whose change waits for the end of what was before, or fails."""

    def __init__(self) -> None:
        self.begun, self.goes_on = asyncio.Event(), asyncio.Event()
        self.failure: Exception | None = None

    async def prepare(self, new: Settings, changed: frozenset[str], undo: AsyncExitStack) -> Apply:
        async def apply() -> str:
            self.begun.set()
            if self.failure is not None:
                raise self.failure
            await self.goes_on.wait()
            return ""

        return apply


async def test_who_asked_and_goes_away_leaves_no_half_of_a_reload(tmp_path: Path) -> None:
    case, slow = Case(tmp_path), Slow()
    reloader = Reloader(load_settings(case.file, tmp_path, None, HOST, {}), [slow, case.part])
    case.file.write_text(FIRST.replace("20", "30"))
    asking = asyncio.create_task(reloader.reload())
    await slow.begun.wait()
    asking.cancel()
    again = asyncio.create_task(reloader.reload())
    slow.goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await again
    assert case.part.changed == [frozenset({"sip.ring_timeout_s"}), frozenset()]


async def test_a_part_that_fails_to_change_keeps_none_of_the_others_from_it(tmp_path: Path) -> None:
    case, slow = Case(tmp_path), Slow()
    slow.failure = OSError("a fault of ours")
    reloader = Reloader(load_settings(case.file, tmp_path, None, HOST, {}), [slow, case.part])
    case.file.write_text(FIRST.replace("20", "30"))
    done = await reloader.reload()
    assert case.part.changed == [frozenset({"sip.ring_timeout_s"})]
    assert [text.partition(":")[0] for text in done.done] == ["one part failed", "all was done"]


async def test_nothing_is_applied_to_what_is_being_stopped(tmp_path: Path) -> None:
    case = Case(tmp_path)
    loaded = load_settings(case.file, tmp_path, None, HOST, {})
    reloader = Reloader(loaded, [case.part], case.told.append, is_over=lambda: True)
    case.file.write_text(FIRST.replace("20", "30"))
    with pytest.raises(Refused, match="stopping"):
        await reloader.reload()
    assert (case.part.changed, case.part.undone, case.told) == ([], 1, [])
    assert reloader.running.sip.ring_timeout_s == 20


async def test_a_hangup_is_heeded_when_all_is_serving_and_not_before(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangups: list[Callable[[], None]] = []
    monkeypatch.setattr(
        asyncio.get_running_loop(), "add_signal_handler", lambda _number, heed: hangups.append(heed)
    )
    monkeypatch.setattr("trunkline.app.signals.has_terminal", lambda: False)
    spawned: list[Coroutine[Any, Any, None]] = []
    exchange: Any = SimpleNamespace(state="running", context=SimpleNamespace(spawn=spawned.append))
    serving = False
    reload_on_hangup(exchange, case.reloader, lambda: serving)
    hangups[0]()
    assert spawned == []
    serving = True
    hangups[0]()
    await spawned[0]
    assert len(case.part.changed) == 1


def test_a_trunk_is_shown_by_what_was_written_and_without_its_password(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(
        '[[trunks]]\nname = "carrier"\nhost = "sip.carrier.example"\nusername = "a"\npassword = "hunter2"\n'
        'prefixes = ["0", "+"]\noptions_s = 5\n'
    )
    settings = load_settings(tmp_path / "t.toml", tmp_path, env={}).settings
    assert as_text("trunks", settings.trunks) == (
        "carrier host sip.carrier.example username a password (hidden) prefixes [0, +] options_s 5.0"
    )
