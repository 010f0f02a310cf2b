"""Bindings in memory."""

from __future__ import annotations

from trunkline.model.binding import Binding
from trunkline.registrar.location import Location

NOW = 1000.0


def binding(
    user: str = "301", name: str = "x", *, until: float = NOW + 60, q: int = 1000, at: float = NOW
) -> Binding:
    return Binding("a", user, name, f"sip:{name}@h", "f", "h:1", "c", 1, at, until, q)


def test_the_best_are_first_then_the_newest() -> None:
    location = Location()
    for name, q, at in (("low", 300, 3.0), ("old", 1000, 1.0), ("new", 1000, 2.0), ("mid", 750, 9.0)):
        location.add(binding(name=name, q=q, at=at))
    assert [one.id for one in location.of("a", "301", NOW)] == ["new", "old", "mid", "low"]


def test_what_has_expired_is_not_seen_though_it_is_still_there() -> None:
    location = Location()
    location.add(binding(until=NOW))
    assert location.of("a", "301", NOW) == []
    assert location.of("a", "301", NOW - 1) != []
    assert location.count == 1


def test_a_sweep_takes_out_what_has_expired_alone() -> None:
    location = Location()
    dead, alive = binding(name="dead", until=NOW), binding(name="alive")
    for one in (dead, alive, binding("302", "dead too", until=NOW - 5)):
        location.add(one)
    assert {one.id for one in location.sweep(NOW)} == {"dead", "dead too"}
    assert list(location) == [alive]
    assert location.count == 1
    assert location.all_of("a", "302") == ()


def test_a_sweep_takes_out_web_clients_that_are_lost() -> None:
    location = Location()
    lost, here, phone = binding(name="lost"), binding(name="here"), binding(name="phone")
    lost.flow, here.flow, phone.flow = "0|wss|a|b|1", "0|ws|a|b|2", "0|tcp|a|b|3"
    for one in (lost, here, phone):
        location.add(one)
    assert location.sweep(NOW, lambda one: one is not here) == [lost]
    assert list(location) == [here, phone]


def test_removing_twice_is_harmless() -> None:
    location = Location()
    one = binding()
    location.add(one)
    location.remove(one)
    location.remove(one)
    assert location.count == 0


def test_nobody_is_anywhere() -> None:
    assert Location().of("a", "301", NOW) == []


def test_a_restart_takes_in_what_still_lives() -> None:
    location = Location()
    assert location.restore([binding(name="dead", until=NOW), binding(name="alive")], NOW) == 1
    assert [one.id for one in location] == ["alive"]


def test_users_of_different_tenants_are_different() -> None:
    location = Location()
    location.add(binding())
    assert location.of("b", "301", NOW) == []
