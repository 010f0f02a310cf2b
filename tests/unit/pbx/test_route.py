"""Where calls go: pure decisions with the steps that led to them."""

from __future__ import annotations

import pytest

from trunkline.model.extension import Extension
from trunkline.model.tenant import Tenant
from trunkline.pbx.directory import Directory
from trunkline.pbx.route import MAX_DIALLED, CallRequest, Decision, Service, Snapshot, decide, normalise

REACHED = {("t", "1002"): 2, ("t", "anna"): 1, ("t", "3001"): 1, ("other", "1002"): 5}


@pytest.fixture
def snapshot() -> Snapshot:
    directory = Directory(
        [Tenant("t", "default", ("example.com",)), Tenant("other", "other", ("other.test",))], "example.com"
    )
    for tenant, number, name, contact in (
        ("t", "1001", "Anna", None),
        ("t", "1002", "Bert", None),
        ("t", "anna", "", None),
        ("t", "3001", "Door", "sip:door@192.0.2.10"),
        ("t", "3002", "Gate", "sip:gate@192.0.2.11"),
        ("other", "1002", "Stranger", None),
        ("other", "7777", "Stranger", None),
    ):
        directory.put(Extension(tenant, f"{tenant}{number}", number, name, "password", contact))
    return Snapshot(directory, lambda tenant, number: REACHED.get((tenant, number), 0))


def route(snapshot: Snapshot, dialled: str, tenant: str = "t") -> Decision:
    return decide(CallRequest(tenant, "1001", dialled, 7.0), snapshot)


def told(decision: Decision) -> list[tuple[str, str]]:
    return [(step.code, step.text) for step in decision.steps]


def plain(decision: Decision) -> list[tuple[float, str, str, object]]:
    return [(step.at, step.code, step.text, step.data) for step in decision.steps]


def test_an_extension_is_rung_at_all_its_contacts(snapshot: Snapshot) -> None:
    decision = route(snapshot, "1002")
    assert decision.extension is snapshot.directory.extension("t", "1002")
    assert (decision.service, decision.status, decision.code) == (None, 0, "")
    assert told(decision) == [
        ("route.extension", "1002 (Bert) is an extension"),
        ("route.contacts", "contacts to ring: 2 registered"),
    ]
    assert decision.steps[1].data == {"contacts": 2}


def test_a_name_is_an_extension_as_well(snapshot: Snapshot) -> None:
    decision = route(snapshot, "anna")
    assert decision.extension is not None
    assert told(decision)[0] == ("route.extension", "anna is an extension")


@pytest.mark.parametrize(("dialled", "places"), [("3001", "1 registered, 1 fixed"), ("3002", "1 fixed")])
def test_a_fixed_contact_needs_no_registration(snapshot: Snapshot, dialled: str, places: str) -> None:
    decision = route(snapshot, dialled)
    assert decision.extension is not None
    assert told(decision)[-1] == ("route.contacts", f"contacts to ring: {places}")


def test_an_extension_that_is_nowhere_is_480(snapshot: Snapshot) -> None:
    decision = route(snapshot, "1001")
    assert decision.extension is None
    assert (decision.status, decision.code) == (480, "route.not_registered")
    assert told(decision) == [
        ("route.extension", "1001 (Anna) is an extension"),
        ("route.not_registered", "1001 is not registered"),
    ]


@pytest.mark.parametrize(
    ("dialled", "service"),
    [("9195", Service.TIME), ("9196", Service.ECHO), ("9197", Service.TONE), ("9198", Service.TALK_BACK)],
)
def test_service_numbers_are_answered_by_the_exchange(
    snapshot: Snapshot, dialled: str, service: Service
) -> None:
    decision = route(snapshot, dialled)
    assert decision.service is service
    assert (decision.extension, decision.status) == (None, 0)
    assert told(decision) == [("route.service", f"{dialled} is the {service} service")]


def test_an_extension_hides_the_service_of_its_number(snapshot: Snapshot) -> None:
    snapshot.directory.put(Extension("t", "mine", "9196", "Mine", "password", "sip:mine@h"))
    decision = route(snapshot, "9196")
    assert decision.extension is not None
    assert decision.service is None
    assert route(snapshot, "9196", "other").service is Service.ECHO


def test_an_extension_that_is_nowhere_still_hides_the_service(snapshot: Snapshot) -> None:
    snapshot.directory.put(Extension("t", "mine", "9196", "Mine", "password"))
    assert (route(snapshot, "9196").status, route(snapshot, "9196").service) == (480, None)


def test_an_unknown_number_is_404(snapshot: Snapshot) -> None:
    decision = route(snapshot, "4711")
    assert (decision.status, decision.code, decision.number) == (404, "route.unknown_number", "4711")
    assert told(decision) == [("route.unknown_number", "4711 is neither an extension nor a service")]
    assert decision.steps[0].data == {"status": 404}


def test_extensions_of_other_tenants_are_unknown(snapshot: Snapshot) -> None:
    assert route(snapshot, "7777").status == 404
    assert route(snapshot, "7777", "nobody").status == 404
    assert route(snapshot, "1001", "other").status == 404


def test_nothing_dialled_is_404(snapshot: Snapshot) -> None:
    decision = route(snapshot, "")
    assert (decision.status, decision.code) == (404, "route.no_number")


def test_what_is_too_long_for_a_number_is_404_and_not_repeated(snapshot: Snapshot) -> None:
    decision = route(snapshot, "1" * 60_000)
    assert (decision.status, decision.code) == (404, "route.unknown_number")
    assert len(decision.number) <= MAX_DIALLED + 1
    assert sum(len(step.text) for step in decision.steps) < 100
    assert route(snapshot, "1002" + "-" * 60_000).status == 404


def test_a_number_is_read_without_what_people_write_between_its_digits(snapshot: Snapshot) -> None:
    decision = route(snapshot, "(10) 0-2")
    assert decision.extension is not None
    assert decision.number == "1002"
    assert told(decision)[0] == ("number.normalised", "(10) 0-2 is read as 1002")


@pytest.mark.rfc("3966", "5.1.1")
@pytest.mark.parametrize(
    ("dialled", "number"),
    [
        ("1002", "1002"),
        ("+49 (30) 123-45.6", "+4930123456"),
        ("an-na", "an-na"),
        ("u100.000", "u100.000"),
        ("*72-1", "*72-1"),
        ("--", "--"),
        ("++49-1", "++49-1"),
        ("1-²", "1-²"),
        ("1-\u0663", "1-\u0663"),
        ("", ""),
    ],
)
def test_only_digits_lose_their_separators(dialled: str, number: str) -> None:
    assert normalise(dialled) == number


@pytest.mark.parametrize("dialled", ["1002", "1001", "(10) 02", "9196", "4711", "", "x" * 500])
def test_the_same_question_has_the_same_answer(snapshot: Snapshot, dialled: str) -> None:
    first, again = route(snapshot, dialled), route(snapshot, dialled)
    assert plain(first) == plain(again)
    assert (first.extension, first.service, first.status, first.code) == (
        again.extension,
        again.service,
        again.status,
        again.code,
    )
    assert sum((first.extension is not None, first.service is not None, first.status != 0)) == 1
    assert {step.at for step in first.steps} == {7.0}


def test_deciding_asks_for_the_contacts_of_the_dialled_extension_alone(snapshot: Snapshot) -> None:
    asked: list[tuple[str, str]] = []

    def reach(tenant: str, number: str) -> int:
        asked.append((tenant, number))
        return 1

    decide(CallRequest("t", "1001", "1002"), Snapshot(snapshot.directory, reach))
    assert asked == [("t", "1002")]


@pytest.mark.rule("T-37")
def test_two_stars_ask_for_the_call_that_rings_at_an_extension(snapshot: Snapshot) -> None:
    decision = decide(CallRequest("t", "1001", "**1002"), snapshot)
    assert decision.pickup == "1002"
    assert (decision.status, decision.code) == (480, "pickup.nothing_rings")  # when nothing does
    assert [step.code for step in decision.steps] == ["route.pickup"]
    nobody = decide(CallRequest("t", "1001", "**7777"), snapshot)  # an extension of another tenant
    assert (nobody.pickup, nobody.code) == ("", "route.unknown_number")
