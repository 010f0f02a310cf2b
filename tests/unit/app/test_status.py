"""`trunkline status`: what the whole exchange carries, what a tenant does, and trunks in trouble."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest

from trunkline.app.mobile_status import mobile_troubles
from trunkline.app.status_handlers import StatusHandler, troubles
from trunkline.base.messages import PushServiceRow, Status
from trunkline.push.notification import Health, Service
from trunkline.trunking.trunk import Trunk
from trunkline.ua.overload import Load


def trunk(state: str, trouble: str = "", *, tenant: str = "a", reachable: bool | None = None) -> Trunk:
    """As much of a trunk as operators see."""
    named = SimpleNamespace(name="carrier", tenant=tenant)
    stand_in = SimpleNamespace(
        plan=named,
        state=state,
        reachable=reachable,
        trouble=trouble,
        registration=None,
        is_up=state == "reachable",
    )
    return cast("Trunk", stand_in)


@pytest.mark.parametrize(
    ("state", "trouble", "reachable", "told"),
    [
        (
            "authentication failed",
            "authentication failed",
            True,
            "refused: its password or user name is wrong",
        ),
        ("unreachable", "no answer", False, "unreachable (no answer)"),
        ("failed", "503 Busy", None, "not registered (503 Busy)"),
        ("registered", "no answer", False, "registered, but not reachable (no answer)"),
    ],
)
def test_a_trunk_in_trouble_has_a_line(state: str, trouble: str, reachable: bool | None, told: str) -> None:
    (line,) = troubles([trunk(state, trouble, reachable=reachable)])
    assert line == f"the trunk carrier is {told}: trunkline trunks tells more"


@pytest.mark.parametrize("state", ["registered", "reachable", "unknown", "registering"])
def test_a_trunk_that_works_or_has_just_begun_has_none(state: str) -> None:
    assert list(troubles([trunk(state)])) == []


class Lanes:
    """Texts that wait, by tenant."""

    def lanes(self, tenant: str | None = None) -> list[Any]:
        waiting = {"a": 3, "b": 4}
        return [SimpleNamespace(count=count) for owner, count in waiting.items() if tenant in {None, owner}]


def exchange(level: Load = Load.NORMAL) -> Any:
    watches = [SimpleNamespace(watch=SimpleNamespace(tenant=owner)) for owner in ("a", "a", "b")]
    tenants = [
        SimpleNamespace(id=owner, name=owner, domain=f"{owner}.example", extensions={}) for owner in "ab"
    ]

    class Location(list[Any]):
        count: Any = 0

    return SimpleNamespace(
        engine=SimpleNamespace(snapshot=lambda: SimpleNamespace(ports_open=0, ports_free=10, kernel="")),
        state="running",
        started_at=1.0,
        context=SimpleNamespace(wall=lambda: 2.0),
        settings=SimpleNamespace(domain="a.example", node=0),
        data="/d",
        net=SimpleNamespace(listeners=()),
        directory=SimpleNamespace(tenants=tenants),
        location=Location(),
        calls=SimpleNamespace(active={}),
        warnings=lambda: ("disk is full",),
        events=SimpleNamespace(notifier=SimpleNamespace(count=3, subscriptions=dict(enumerate(watches)))),
        endpoint=SimpleNamespace(overload=SimpleNamespace(level=level)),
        text_queue=Lanes(),
        trunking=SimpleNamespace(trunks=[trunk("reachable"), trunk("unreachable", tenant="b")]),
        mobile=SimpleNamespace(book=Devices(), accounts=SimpleNamespace(by_state=accounts)),
        push=SimpleNamespace(health=lambda: (Health(Service.APNS, "failing", "no key", 1.0, 2), UNSET)),
    )


UNSET = Health(Service.FCM, "unset")


def accounts(tenant: str | None) -> Counter[str]:
    """Tenant a has one that is registered, b one that is not."""
    words = {"a": "registered", "b": "error"}
    return Counter(word for owner, word in words.items() if tenant in {None, owner})


class Devices(list[Any]):
    """One of a, which lives; two of b, one of them with a dead token."""

    def __init__(self) -> None:
        rows = [("a", True, ""), ("b", True, "gone"), ("b", True, "")]
        super().__init__(
            SimpleNamespace(tenant=owner, active=active, disabled_why=why, service="fcm")
            for owner, active, why in rows
        )

    def of_tenant(self, tenant: str) -> list[Any]:
        return [one for one in self if one.tenant == tenant]


async def test_the_whole_exchange_is_counted() -> None:
    seen = await StatusHandler(exchange(Load.CALLS)).show("a", Status())
    assert (seen.trunks, seen.trunks_up, seen.subscriptions, seen.texts) == (2, 1, 3, 7)
    assert (seen.load, seen.tenant) == ("calls_refused", "")
    assert (seen.devices, seen.devices_disabled) == (3, 1)
    assert seen.accounts == {"registered": 1, "error": 1}
    assert seen.push == (PushServiceRow("apns", "failing", "no key", 1.0, 2),)
    assert seen.warnings == (
        "disk is full",
        "the trunk carrier is unreachable: trunkline trunks tells more",
        "pushes by apns fail (no key): trunkline check tells more",
        "an account of apps is not registered: trunkline devices list tells why",
        "2 devices count on pushes by fcm, and nothing is set in [push.fcm]",
    )


async def test_a_tenant_sees_what_is_its_own() -> None:
    seen = await StatusHandler(exchange()).show("a", Status(tenant="a"))
    assert (seen.trunks, seen.trunks_up, seen.subscriptions, seen.texts) == (1, 1, 2, 3)
    assert (seen.tenant, seen.domain, seen.load) == ("a", "a.example", "normal")
    assert (seen.devices, seen.devices_disabled, seen.accounts) == (1, 0, {"registered": 1})
    assert seen.warnings == (
        "disk is full",
        "pushes by apns fail (no key): trunkline check tells more",
        "1 device counts on pushes by fcm, and nothing is set in [push.fcm]",
    )


def test_a_suspect_push_service_says_what_to_look_at_and_one_that_is_ready_nothing() -> None:
    rows = (
        PushServiceRow("apns", "suspect", "tokens are refused: look at bundle_id"),
        PushServiceRow("fcm", "ready"),
    )
    assert list(mobile_troubles({"push": rows, "accounts": {}})) == [
        "pushes by apns: tokens are refused: look at bundle_id"
    ]
