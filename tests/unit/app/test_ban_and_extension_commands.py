"""``trunkline bans`` and ``trunkline extension set``: what they ask, and what the handlers answer."""

from __future__ import annotations

import io
import ipaddress
from pathlib import Path
from typing import Any

import pytest
import typer

from trunkline.app.ban_handlers import BanHandlers
from trunkline.app.cli.extension_change import parse_calls, password_of
from trunkline.app.cli.options import span
from trunkline.app.extension_handlers import ExtensionHandlers
from trunkline.base.messages import (
    DEFAULT_CALLS,
    AddBan,
    AddExtension,
    ClearBans,
    ImportExtensions,
    ImportRow,
    ListBans,
    ListExtensions,
    Refused,
    SetExtension,
)
from trunkline.model.tenant import SystemScope, TenantScope
from trunkline.net.fence import Fence, FencePolicy
from trunkline.store import Store


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("0", 0),
        ("0.5", 0.5),
        ("90s", 90),
        ("30m", 1800),
        ("1.5h", 5400),
        ("12h", 43_200),
        ("7d", 604_800),
    ],
)
def test_a_time_is_written_as_people_write_it(text: str, seconds: float) -> None:
    assert span(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "-1h", "1y", "1h30m", "inf", "1e3"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="no time"):
        span(text)


@pytest.mark.parametrize(("text", "most"), [(None, None), ("0", 0), ("4", 4), ("default", DEFAULT_CALLS)])
def test_a_limit_is_a_number_or_the_default(text: str | None, most: int | None) -> None:
    assert parse_calls(text) == most


@pytest.mark.parametrize("text", ["-1", "many", "", "100001", "²"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_calls(text)


@pytest.fixture
def bans() -> BanHandlers:
    fence = Fence(FencePolicy(trusted=(ipaddress.ip_network("10.0.0.0/8"),)))
    return BanHandlers(fence, lambda: 50.0, lambda: 1_800_000_000.0)


async def test_a_ban_by_hand_is_listed_and_lifted(bans: BanHandlers) -> None:
    added = await bans.add("", AddBan(address="2001:db8::7", for_s=3600.0))
    assert (added.row.source, added.row.code, added.row.expires_s) == ("2001:db8::/64", "ban.by_hand", 3600.0)
    await bans.add("", AddBan(address="192.0.2.7", for_s=60.0))
    page = await bans.page("", ListBans(limit=1))
    assert [row.source for row in page.rows] == ["192.0.2.7"]
    rest = await bans.page("", ListBans(limit=1, after=page.next))
    assert ([row.source for row in rest.rows], rest.next) == (["2001:db8::/64"], None)
    cleared = await bans.clear("", ClearBans(address="2001:db8::/64"))
    assert cleared.sources == ("2001:db8::/64",)
    assert (await bans.clear("", ClearBans())).sources == ("192.0.2.7",)


@pytest.mark.parametrize(
    ("address", "for_s", "code"),
    [
        ("nobody.example", 60.0, "ban.invalid"),
        ("192.0.2.0/24", 60.0, "ban.invalid"),
        ("192.0.2.7", 0.0, "ban.invalid"),
        ("192.0.2.7", float("inf"), "ban.invalid"),
        ("10.1.2.3", 60.0, "ban.trusted"),
    ],
)
async def test_a_ban_that_cannot_be_is_refused(
    bans: BanHandlers, address: str, for_s: float, code: str
) -> None:
    with pytest.raises(Refused) as refused:
        await bans.add("", AddBan(address=address, for_s=for_s))
    assert refused.value.problem.code == code


async def test_who_is_not_banned_cannot_be_pardoned(bans: BanHandlers) -> None:
    with pytest.raises(Refused) as refused:
        await bans.clear("", ClearBans(address="192.0.2.7"))
    assert refused.value.problem.code == "ban.unknown"


class Extensions:
    """Handlers over a store of their own, with extension 2001."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.tenant = store.tenants.list(SystemScope("a test"))[0].id
        self.handlers = ExtensionHandlers(store, None)

    async def stored(self) -> tuple[str, str, str | None, int | None]:
        found = self.store.extensions.get(TenantScope(self.tenant), "2001")
        assert found is not None
        return found.name, found.password, found.contact, found.max_calls


async def test_what_is_given_changes_and_the_rest_stays(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        office = Extensions(store)
        change = office.handlers.change
        await office.handlers.add(
            office.tenant, AddExtension(number="2001", password="nine-blue-chairs", name="Desk", max_calls=3)
        )
        assert await office.stored() == ("Desk", "nine-blue-chairs", None, 3)
        await change(office.tenant, SetExtension(number="2001", contact="sip:door@192.0.2.1"))
        assert await office.stored() == ("Desk", "nine-blue-chairs", "sip:door@192.0.2.1", 3)
        changed = await change(
            office.tenant,
            SetExtension(number="2001", name="", contact="", max_calls=DEFAULT_CALLS, generate=True),
        )
        assert changed.password is not None
        assert await office.stored() == ("", changed.password, None, None)
        await change(office.tenant, SetExtension(number="2001", max_calls=0))
        (row,) = (await office.handlers.page(office.tenant, ListExtensions())).rows
        assert row.max_calls == 0


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (SetExtension(number="2002", name="x"), "extension.unknown"),
        (SetExtension(number="2001", password=""), "extension.invalid"),
        (SetExtension(number="2001", password="x", generate=True), "extension.invalid"),
        (SetExtension(number="2001", max_calls=-2), "extension.invalid"),
        (SetExtension(number="2001", max_calls=100_001), "extension.invalid"),
        (SetExtension(number="2001", contact="door"), "extension.invalid"),
    ],
)
async def test_a_change_that_cannot_be_is_refused(tmp_path: Path, ask: SetExtension, code: str) -> None:
    with Store.open(tmp_path) as store:
        office = Extensions(store)
        await office.handlers.add(office.tenant, AddExtension(number="2001", password="nine-blue-chairs"))
        with pytest.raises(Refused) as refused:
            await office.handlers.change(office.tenant, ask)
        assert refused.value.problem.code == code
        assert (await office.stored())[1] == "nine-blue-chairs"


async def test_who_takes_the_number_of_a_service_is_told(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        office = Extensions(store)
        added = await office.handlers.add(office.tenant, AddExtension(number="9196"))
        assert added.warnings == ("9196 was the service echo: callers reach this extension instead",)
        rows = (ImportRow(2, "2002"), ImportRow(3, "9197"))
        done = await office.handlers.import_rows(office.tenant, ImportExtensions(rows=rows))
        assert done.warnings == ("9197 was the service tone: callers reach this extension instead",)


@pytest.mark.parametrize(("terminal", "password"), [(False, "quiet otter"), (True, "typed twice, unseen")])
def test_a_dash_reads_a_password_that_nobody_sees(
    terminal: bool, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("quiet otter\r\nand more"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: terminal)
    hidden: list[dict[str, Any]] = []

    def prompt(_: str, **how: Any) -> str:
        hidden.append(how)
        return "typed twice, unseen"

    monkeypatch.setattr("typer.prompt", prompt)
    assert password_of("-", "2001") == password
    assert all(how["hide_input"] and how["err"] for how in hidden)
    assert password_of("given", "2001") == "given"
    assert password_of(None, "2001") is None
