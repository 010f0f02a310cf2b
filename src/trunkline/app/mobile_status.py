"""The part of the status that is about apps: their devices and accounts, and what wakes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from trunkline.base.messages import PushServiceRow
from trunkline.model.device import MobileDevice
from trunkline.push.notification import Health

if TYPE_CHECKING:
    from trunkline.app.exchange import Exchange


def mobile_facts(exchange: Exchange, tenant: str | None) -> dict[str, Any]:
    """Fields of ``ExchangeStatus``: of one tenant, or of all. Push services are everybody's."""
    plane = exchange.mobile
    devices = list(plane.book if tenant is None else plane.book.of_tenant(tenant))
    return {
        "devices": len(devices),
        "devices_disabled": sum(map(is_disabled, devices)),
        "accounts": dict(plane.accounts.by_state(tenant)),
        "push": tuple(push_rows(exchange.push.health())),
    }


def is_disabled(device: MobileDevice) -> bool:
    """Whether no push would reach it."""
    return not device.active or bool(device.disabled_why)


def device_states(devices: Iterable[MobileDevice]) -> Mapping[str, int]:
    """How many can be pushed (``ok``), and how many cannot (``disabled``)."""
    return Counter("disabled" if is_disabled(one) else "ok" for one in devices)


def push_rows(health: Iterable[Health]) -> Iterator[PushServiceRow]:
    """The services that something is set for."""
    for one in health:
        if one.word != "unset":
            yield PushServiceRow(one.service.value, one.word, one.why, one.since, one.queued)


def unset_troubles(exchange: Exchange, tenant: str | None) -> Iterator[str]:
    """A line for each push service that devices count on and nothing is set for."""
    unset = {one.service.value for one in exchange.push.health() if one.word == "unset"}
    devices = exchange.mobile.book if tenant is None else exchange.mobile.book.of_tenant(tenant)
    wanted = Counter(one.service for one in devices if one.service in unset and not is_disabled(one))
    for service, count in sorted(wanted.items()):
        who = "1 device counts" if count == 1 else f"{count} devices count"
        yield f"{who} on pushes by {service}, and nothing is set in [push.{service}]"


def mobile_troubles(facts: Mapping[str, Any]) -> Iterator[str]:
    """A line for each push service that fails or is suspect, one for the accounts that are not registered."""
    for row in facts["push"]:
        if row.state == "failing":
            yield f"pushes by {row.service} fail ({row.why}): trunkline check tells more"
        elif row.state == "suspect":
            yield f"pushes by {row.service}: {row.why}"
    if wrong := facts["accounts"].get("error", 0):
        whose = "an account of apps is" if wrong == 1 else f"{wrong} accounts of apps are"
        yield f"{whose} not registered: trunkline devices list tells why"
