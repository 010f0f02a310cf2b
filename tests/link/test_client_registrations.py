"""Registrations that we hold elsewhere: grants, refreshes, 423, challenges, back-off."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial

import pytest

from tests.link.carrier import ID, OURS, REALM, Carrier, Office, when
from tests.link.virtual_time import virtual
from trunkline.proto.sip.digest_client import Account
from trunkline.proto.sip.message import Request
from trunkline.ua.registrations import Registration

pytestmark = pytest.mark.rule("T-30")


async def registered(office: Office, carrier: Carrier, **rest: object) -> Registration:
    one = office.register(**rest)  # type: ignore[arg-type]
    await office.until(one, "registered", 10)
    return one


# Grants and refreshes


@pytest.mark.rfc("3261", "10.2.4")
@virtual
async def test_a_registration_is_refreshed_at_75_to_90_percent_of_what_its_own_contact_was_granted() -> None:
    delays = []
    for seed in range(1, 30):
        office = Office(seed=seed)
        carrier = Carrier(office.network)
        carrier.most_s = 1800
        carrier.contacts["sip:other@10.0.0.77"] = 1e9  # somebody else's, which lives for ever
        carrier.extra = "Expires: 60\r\n"
        await registered(office, carrier, password="")
        await when(partial(carrier.has_been_asked, 2), 1)
        delays.append(carrier.at[1] - carrier.at[0])
        office.registrations.close()
    assert min(delays) >= 1350
    assert max(delays) <= 1621
    assert max(delays) - min(delays) > 100, "they are not spread"


@pytest.mark.rfc("3261", "10.2.4")
@pytest.mark.parametrize(
    ("extra", "granted"), [("Expires: 600\r\n", 600), ("", 3600), ("Contact: <sip:x\r\nExpires: 90\r\n", 90)]
)
@virtual
async def test_without_our_contact_in_the_answer_the_expires_header_counts_then_what_we_asked(
    extra: str, granted: int
) -> None:
    office = Office()
    carrier = Carrier(office.network)
    carrier.answer_with = lambda _request: (200, extra)
    one = await registered(office, carrier)
    assert round(one.expires_at - office.loop.time()) in {granted, granted - 1}


@virtual
async def test_a_200_that_grants_nothing_is_no_registration() -> None:
    office = Office()
    carrier = Carrier(office.network)
    carrier.answer_with = lambda _request: (200, f"Contact: <sip:{ID}@{OURS}:5060>;expires=0\r\n")
    one = office.register()
    await office.until(one, "failed", 10)
    assert one.trouble == "200, but without our contact"


@pytest.mark.rfc("3261", "10.2.8")
@virtual
async def test_423_is_asked_again_at_once_for_what_it_wants_and_from_then_on() -> None:
    office = Office()
    carrier = Carrier(office.network)
    carrier.min_expires_s = 7200
    carrier.grants = lambda _asked: 1800
    await registered(office, carrier, password="")
    assert [r.headers["Expires"] for r in carrier.asked] == ["3600", "7200"]
    assert carrier.at[1] - carrier.at[0] < 0.1
    await when(lambda: carrier.times >= 4, 1)
    assert [r.headers["Expires"] for r in carrier.asked[2:]] == ["7200", "7200"]
    assert all(
        1350 <= late - early <= 1621 for early, late in zip(carrier.at[1:], carrier.at[2:], strict=False)
    )
    other = office.register(id="f" * 32, password="")
    await office.until(other, "registered", 10)
    assert carrier.last.headers["Expires"] == "7200", "what one learned at a registrar, all know"


@virtual
async def test_a_registrar_that_grants_a_second_less_each_time_never_comes_to_423() -> None:
    office = Office()
    carrier = Carrier(office.network)
    carrier.min_expires_s = 600
    last = [600]

    def one_less(_asked: int) -> int:
        last[0] -= 1
        return last[0]

    carrier.grants = one_less
    await registered(office, carrier, password="", expires_s=600)
    await when(lambda: carrier.times >= 50, 10)
    assert {r.headers["Expires"] for r in carrier.asked} == {"600"}


@pytest.mark.parametrize("extra", ["", "Min-Expires: 10\r\n", "Min-Expires: x\r\n"])
@virtual
async def test_a_423_that_does_not_help_is_not_asked_for_ever(extra: str) -> None:
    office = Office()
    carrier = Carrier(office.network)
    carrier.answer_with = lambda _request: (423, extra)
    one = office.register()
    await office.until(one, "failed", 10)
    assert carrier.times == 1


@virtual
async def test_a_423_that_always_wants_more_ends() -> None:
    office = Office()
    carrier = Carrier(office.network)
    carrier.answer_with = lambda r: (423, f"Min-Expires: {int(r.headers['Expires']) + 1}\r\n")
    one = office.register()
    await office.until(one, "failed", 10)
    assert carrier.times == 3


# Challenges


@pytest.mark.rule("T-32")
@pytest.mark.rfc("3261", "22.2")
@pytest.mark.parametrize("status", [401, 407])
@pytest.mark.parametrize("algorithms", [("MD5",), ("SHA-256",), ("SHA-256", "MD5"), ("MD5", "SHA-256")])
@virtual
async def test_a_challenge_is_answered_with_its_strongest_algorithm(
    status: int, algorithms: tuple[str, ...]
) -> None:
    office = Office()
    carrier = Carrier(office.network, password="correct horse")
    carrier.status, carrier.algorithms = status, algorithms
    await registered(office, carrier)
    assert carrier.times == 2
    name = "Authorization" if status == 401 else "Proxy-Authorization"
    shown = carrier.last.headers[name]
    assert f"algorithm={'SHA-256' if 'SHA-256' in algorithms else 'MD5'}" in shown
    assert 'username="me-auth"' in shown
    first, second = carrier.asked
    assert first.call_id == second.call_id
    assert second.cseq[0] > first.cseq[0]


@pytest.mark.rule("T-32")
@pytest.mark.rfc("8760", "2.5")
@virtual
async def test_challenges_of_two_realms_are_answered_together() -> None:
    office = Office()
    carrier = Carrier(office.network, password="correct horse")
    carrier.realms = (REALM, "second.test")
    await registered(office, carrier)
    assert carrier.times == 2


@pytest.mark.rule("T-32")
@virtual
async def test_an_account_of_one_realm_answers_no_other() -> None:
    office = Office()
    carrier = Carrier(office.network, password="correct horse")
    one = office.register(account=Account("me-auth", "correct horse", realm="elsewhere.test"))
    await office.until(one, "refused", 10)
    assert carrier.times == 1
    assert "another realm" in one.trouble


@pytest.mark.rule("T-33")
@pytest.mark.rule("T-32")
@pytest.mark.rfc("7616", "3.3")
@virtual
async def test_domain_registrar_and_realm_are_three_values() -> None:
    office = Office()
    office.hosts["edge.carrier.test"] = ["10.0.1.1"]
    carrier = Carrier(office.network, password="correct horse")
    account = Account("me-auth", "correct horse", realm=REALM)
    await registered(office, carrier, registrar="sip:edge.carrier.test", account=account)
    assert carrier.last.uri == "sip:edge.carrier.test"
    assert "<sip:me@domain.test>" in carrier.last.headers["To"]
    assert f'realm="{REALM}"' in carrier.last.headers["Authorization"]


@pytest.mark.rule("T-32")
@virtual
async def test_a_wrong_password_is_tried_twice_and_then_not_for_a_long_time() -> None:
    office = Office()
    carrier = Carrier(office.network, password="another one")
    one = office.register()
    await office.until(one, "authentication failed", 10)
    assert one.trouble == "authentication failed"
    assert sum("Authorization" in r.headers for r in carrier.asked) == 2
    await asyncio.sleep(1700)
    assert carrier.times == 3, "who insists is locked out"
    await asyncio.sleep(2000)
    assert carrier.times == 6


@pytest.mark.rule("T-32")
@virtual
async def test_a_nonce_that_got_stale_is_no_failure() -> None:
    office = Office()
    carrier = Carrier(office.network, password="correct horse")
    stale = iter([True, True])

    def often_stale(request: Request) -> tuple[int, str] | None:
        if "Authorization" in request.headers and next(stale, False):
            return 401, carrier._challenges(stale=True)
        return None

    carrier.answer_with = often_stale
    one = await registered(office, carrier)
    assert carrier.times == 4
    assert one.refusals == one.failures == 0


@pytest.mark.rule("T-32")
@virtual
async def test_a_registrar_that_forgets_to_say_stale_is_forgiven_once() -> None:
    office = Office()
    carrier = Carrier(office.network, password="correct horse")
    office_first: list[int] = []

    def forgets(request: Request) -> tuple[int, str] | None:
        if "Authorization" in request.headers and not office_first:
            office_first.append(1)
            return 401, carrier._challenges(stale=False)
        return None

    carrier.answer_with = forgets
    await registered(office, carrier)
    assert carrier.times == 3


@pytest.mark.rule("T-32")
@pytest.mark.rfc("7616", "3.4")
@virtual
async def test_the_count_of_a_nonce_goes_up_over_all_requests_that_use_it() -> None:
    office = Office()
    carrier = Carrier(office.network, password="correct horse")
    carrier.fresh = False  # it hands the same nonce out again
    await registered(office, carrier, expires_s=60)
    await when(lambda: carrier.times >= 8, 1)
    assert carrier.counts == [("nonce1", f"{count:08x}") for count in range(1, len(carrier.counts) + 1)]


@pytest.mark.rule("T-32")
@pytest.mark.rfc("7616", "3.3")
@pytest.mark.parametrize("status", [401, 407])
@virtual
async def test_a_refresh_uses_the_nonce_that_is_known_and_costs_one_round_trip(status: int) -> None:
    office = Office()
    carrier = Carrier(office.network, password="correct horse")
    carrier.status = status
    await registered(office, carrier, expires_s=60)
    assert carrier.times == 2
    await when(lambda: carrier.times >= 6, 1)
    assert carrier.counts == [("nonce1", f"{count:08x}") for count in range(1, 6)]
    await office.registrations.stop()
    assert carrier.times == 7
    assert carrier.contacts == {}


@pytest.mark.rule("T-32")
@pytest.mark.rfc("7616", "3.3")
@virtual
async def test_a_nonce_that_got_stale_meanwhile_costs_one_more_round_trip_and_no_word() -> None:
    office = Office()
    carrier = Carrier(office.network, password="correct horse")
    one = await registered(office, carrier, expires_s=60)
    for round_ in (2, 3):
        carrier.answer_with = stale_once(carrier)
        await when(lambda sent=carrier.times: carrier.times == sent + 2, 1)  # type: ignore[misc]
        await asyncio.sleep(1)
        assert (one.word, one.trouble, one.ahead) == ("registered", "", 401)
        assert carrier.counts[-1] == (f"nonce{round_}", "00000001")


def stale_once(carrier: Carrier) -> Callable[[Request], tuple[int, str] | None]:
    """The next request is told that its nonce is too old."""
    left = [True]
    return lambda _request: (401, carrier._challenges(stale=True)) if left and left.pop() else None


@pytest.mark.rule("T-32")
@virtual
async def test_a_registrar_that_takes_each_nonce_once_and_does_not_say_stale_is_asked_first() -> None:
    office = Office()
    carrier = Carrier(office.network, password="correct horse")
    used: set[str] = set()

    def once(request: Request) -> tuple[int, str] | None:
        shown = re.search(r'nonce="([^"]+)"', request.headers.get("Authorization", ""))
        if shown is None or shown[1] not in used:
            used.update([shown[1]] if shown else [])
            return None
        return 401, carrier._challenges(stale=False)

    carrier.answer_with = once
    one = await registered(office, carrier, expires_s=60)
    await when(lambda: carrier.times >= 10, 1)
    shown = ["Authorization" in request.headers for request in carrier.asked]
    assert shown == [False, True] + [True, True] + 3 * [False, True]
    assert (one.word, one.failures, one.refusals) == ("registered", 0, 0)


@pytest.mark.rule("T-32")
@pytest.mark.rfc("7616", "3.5")
@virtual
async def test_the_next_nonce_that_an_answer_names_is_used() -> None:
    office = Office()
    carrier = Carrier(office.network, password="correct horse")
    carrier.extra = 'Authentication-Info: nextnonce="another"\r\n'
    carrier.nonces.add("another")
    await registered(office, carrier, expires_s=60)
    await when(lambda: carrier.times >= 3, 1)
    assert carrier.counts == [("nonce1", "00000001"), ("another", "00000001")]


@virtual
async def test_a_challenge_without_a_password_says_what_is_missing() -> None:
    office = Office()
    carrier = Carrier(office.network, password="correct horse")
    one = office.register(password="")
    await office.until(one, "refused", 10)
    assert one.trouble == "401 Unauthorized: no password is set"
    assert carrier.times == 1


# Refusals and back-off


@pytest.mark.parametrize("status", [403, 404, 410, 603])
@virtual
async def test_a_refusal_waits_long_and_says_so(status: int) -> None:
    office = Office()
    carrier = Carrier(office.network)
    carrier.answer_with = lambda _request: (status, "")
    one = office.register()
    await office.until(one, "refused", 10)
    assert one.trouble.startswith(str(status))
    await asyncio.sleep(1790)
    assert carrier.times == 1
    await asyncio.sleep(1900)
    assert carrier.times == 2


@pytest.mark.rfc("5626", "4.5")
@pytest.mark.parametrize("status", [408, 500, 503, 504])
@virtual
async def test_what_may_heal_is_tried_again_after_30_s_to_30_min_longer_each_time(status: int) -> None:
    office = Office(seed=5)
    carrier = Carrier(office.network)
    carrier.answer_with = lambda _request: (status, "")
    office.register()
    await when(lambda: carrier.times >= 14, 1)
    waits = [late - early for early, late in zip(carrier.at, carrier.at[1:], strict=False)]
    for failures, wait in enumerate(waits, 1):
        most = min(1800, 30 * 2**failures)
        assert most / 2 <= wait <= most + 0.1, (failures, wait)
    assert len({round(wait) for wait in waits[6:]}) > 1, "they are not spread"


@pytest.mark.rfc("3261", "17.1.2.2")
@virtual
async def test_no_answer_ends_after_32_s_and_is_tried_again() -> None:
    office = Office()
    office.network.node("10.0.1.1")  # it is there and says nothing
    one = office.register()
    await office.until(one, "failed", 40)
    assert one.trouble == "no answer"
    carrier = Carrier(office.network)
    await office.until(one, "registered", 100)
    assert carrier.times == 1


@pytest.mark.rfc("3261", "20.33")
@pytest.mark.parametrize("status", [503, 500, 480])
@virtual
async def test_retry_after_is_honoured(status: int) -> None:
    office = Office()
    carrier = Carrier(office.network)
    carrier.answer_with = lambda _r: (status, "Retry-After: 700\r\n") if carrier.times == 1 else None
    one = office.register(password="")
    await office.until(one, "registered")
    assert 700 <= carrier.at[1] - carrier.at[0] <= 771


@virtual
async def test_who_asks_for_peace_with_503_gets_it_from_all() -> None:
    office = Office()
    carrier = Carrier(office.network)
    carrier.answer_with = lambda _r: (503, "Retry-After: 100\r\n") if carrier.times == 1 else None
    first = office.register(password="")
    await office.until(first, "failed", 10)
    second = office.register(id="f" * 32, password="")
    await office.until(second, "registered", 200)
    assert all(at - carrier.at[0] >= 100 for at in carrier.at[1:])


@pytest.mark.rule("T-31")
@pytest.mark.rfc("3263", "4.3")
@pytest.mark.parametrize("failure", ["silent", "503", "500"])
@virtual
async def test_the_next_server_is_asked_and_stays_the_one(failure: str) -> None:
    office = Office()
    office.hosts["carrier.test"] = ["10.0.1.1", "10.0.1.2"]
    good = Carrier(office.network, "10.0.1.2")
    bad = None
    if failure != "silent":
        bad = Carrier(office.network, "10.0.1.1")
        bad.answer_with = lambda _request: (int(failure), "")
    one = office.register("sip:carrier.test", password="", expires_s=600)
    await office.until(one, "registered", 10)
    assert good.times == 1
    assert one.hop is not None
    assert one.hop.address == "10.0.1.2"
    if bad is not None:
        bad.answer_with = lambda _request: None
    await asyncio.sleep(5000)
    assert good.times > 5, "it left the server that knows it"
    assert bad is None or bad.times == 1


@pytest.mark.rule("T-31")
@virtual
async def test_a_server_that_the_domain_no_longer_names_is_left() -> None:
    office = Office()
    office.hosts["carrier.test"] = ["10.0.1.1"]
    old, new = Carrier(office.network, "10.0.1.1"), Carrier(office.network, "10.0.1.2")
    one = office.register("sip:carrier.test", password="", expires_s=600)
    await office.until(one, "registered", 10)
    office.hosts["carrier.test"] = ["10.0.1.2"]
    await when(lambda: new.times, 1)
    assert old.times == 1


@virtual
async def test_a_name_that_is_not_found_is_told_and_tried_again() -> None:
    office = Office()
    carrier = Carrier(office.network)
    one = office.register("sip:carrier.test", password="")
    await office.until(one, "failed", 10)
    assert one.trouble == "carrier.test has no address"
    office.hosts["carrier.test"] = [carrier.host]
    await office.until(one, "registered", 100)


@virtual
async def test_a_registration_that_is_not_renewed_is_not_called_registered() -> None:
    office = Office()
    carrier = Carrier(office.network)
    carrier.most_s = 100
    one = await registered(office, carrier, password="")
    carrier.answer_with = lambda _request: (503, "")
    await asyncio.sleep(95)
    assert one.status(office.loop.time())[0] == "registered", "it still holds"
    await asyncio.sleep(20)
    assert not one.is_registered(office.loop.time())
    assert one.status(office.loop.time())[0] in {"expired", "failed"}
    assert re.match("503", one.trouble)
