"""Registrations over restarts, outages, NATs, broken connections and their own end."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.carrier import ID, OURS, Carrier, Office, when
from tests.link.phones import is_silent
from tests.link.virtual_time import virtual
from trunkline.base.errors import LocalProtocolError
from trunkline.proto.sip.message import Request, parse_message
from trunkline.proto.sip.name_addr import parse_contacts

pytestmark = pytest.mark.rule("T-30")


def key(number: int) -> str:
    return f"{number:032x}"


# Restart


@pytest.mark.rfc("3261", "10.2.4")
@pytest.mark.parametrize("after", ["the 401", "the 200"])
@virtual
async def test_a_killed_process_goes_on_with_the_same_contact_and_call_id_and_a_higher_cseq(
    after: str,
) -> None:
    office = Office()
    carrier = Carrier(office.network, password="correct horse")
    one = office.register()
    if after == "the 401":
        await when(lambda: carrier.times, 0.001)
    else:
        await office.until(one, "registered", 10)
    office.kill()
    await asyncio.sleep(50)
    before = carrier.asked[:]
    office.start()
    again = office.register()
    await office.until(again, "registered", 10)
    assert {r.call_id for r in carrier.asked} == {before[0].call_id}
    numbers = [r.cseq[0] for r in carrier.asked]
    assert numbers == sorted(set(numbers))
    assert list(carrier.contacts) == [f"sip:{ID}@{OURS}:5060"]


@virtual
async def test_many_start_one_after_the_other_what_expires_first_first() -> None:
    office = Office()
    carrier = Carrier(office.network)
    for number, most_s in ((1, 3000), (2, 1000), (3, 2000)):
        carrier.most_s = most_s
        await office.until(office.register(id=key(number), password=""), "registered", 10)
    office.kill()
    asked = carrier.times
    office.start(per_s=10.0)
    plans = [
        (office.plan(id=key(number), password=""), office.journal.get(key(number))) for number in range(1, 5)
    ]
    began = office.loop.time()
    office.registrations.add_all(plans)
    await when(lambda: carrier.times >= asked + 4, 0.01)
    order = [parse_contacts(r.headers["Contact"])[0].address.user for r in carrier.asked[asked:]]
    assert order == [key(4), key(2), key(3), key(1)]  # the fourth was never registered
    assert [round(at - began, 1) for at in carrier.at[asked:]] == [0.0, 0.1, 0.2, 0.3]


@pytest.mark.parametrize("registrar", ["sip:10.0.1.1", "sip:pbx.test"])
@virtual
async def test_a_registrar_is_known_before_it_is_the_turn_of_its_registrations(registrar: str) -> None:
    office = Office()
    office.hosts["pbx.test"] = ["10.0.1.1", "10.0.1.2"]
    office.start(per_s=0.1)
    office.registrations.add_all([(office.plan(registrar, id=key(n), password=""), None) for n in range(3)])
    office.register("sip:nowhere.test", id=key(9))
    await office.registrations.find_registrars(2.0)
    assert office.registrations.find(key(2), "10.0.1.1") is not None
    assert office.registrations.find(key(2), "10.0.9.9") is None
    assert office.registrations.find(key(9), "10.0.1.1") is None


@virtual
async def test_after_an_outage_a_thousand_register_again_at_the_rate_of_the_registrar_none_twice() -> None:
    office = Office()
    office.start(per_s=50.0)
    office.registrations.add_all([(office.plan(id=key(n), password=""), None) for n in range(1000)])
    office.network.node("10.0.1.1")  # it is down
    await asyncio.sleep(4000)
    assert {one.word for one in office.registrations} <= {"failed", "registering"}
    out = sum(one.word == "registering" for one in office.registrations)  # whose REGISTER is repeated now
    carrier = Carrier(office.network)
    async with asyncio.timeout(2000):
        await when(lambda: all(one.word == "registered" for one in office.registrations), 1)
    assert carrier.times == 1000
    assert len({r.call_id for r in carrier.asked}) == 1000
    first = carrier.at[0]
    for second in range(25):
        within = [at for at in carrier.at if first + second <= at < first + second + 1]
        assert len(within) <= 51 + out, (second, len(within))
    assert carrier.at[-1] - first < 60, "they waited on although the registrar was back"


# The end


@pytest.mark.rfc("3261", "10.2.2")
@pytest.mark.parametrize("forget", [True, False])
@virtual
async def test_an_un_register_survives_the_challenge_and_is_the_last_thing_that_is_sent(forget: bool) -> None:
    office = Office()
    carrier = Carrier(office.network, password="correct horse")
    one = office.register()
    await office.until(one, "registered", 10)
    office.registrations.remove(ID, forget=forget)
    await office.until(one, "gone", 10)
    assert carrier.contacts == {}
    assert carrier.expires_of_last() == 0
    assert carrier.last.headers["Expires"] == "0"
    assert "*" not in {r.headers["Contact"] for r in carrier.asked}
    sent = len(office.sent())
    await asyncio.sleep(20_000)
    assert len(office.sent()) == sent
    assert (ID in office.journal) is not forget
    assert is_silent(office.endpoint)
    assert len(office.registrations) == 0


@pytest.mark.rfc("3261", "10.2")
@virtual
async def test_who_is_removed_while_a_register_is_out_leaves_after_its_answer() -> None:
    office = Office()
    carrier = Carrier(office.network)
    one = office.register(password="")
    await when(office.sent, 0)
    office.registrations.remove(ID)
    assert one.word == "leaving"
    await office.until(one, "gone", 10)
    assert [r.headers["Expires"] for r in carrier.asked] == ["3600", "0"]
    assert carrier.contacts == {}


@virtual
async def test_who_never_was_registered_sends_no_un_register() -> None:
    office = Office()
    carrier = Carrier(office.network, password="another one")
    one = office.register()
    await office.until(one, "authentication failed", 10)
    asked = carrier.times
    office.registrations.remove(ID)
    assert one.word == "gone"
    assert carrier.times == asked


@virtual
async def test_a_registrar_that_is_silent_does_not_keep_us_from_leaving() -> None:
    office = Office()
    carrier = Carrier(office.network)
    await office.until(office.register(password=""), "registered", 10)
    carrier.node.silent_since = 0.0
    began = office.loop.time()
    await office.registrations.stop()
    assert office.loop.time() - began <= 5.1
    assert len(office.registrations) == 0


@virtual
async def test_stopping_takes_all_contacts_off() -> None:
    office = Office()
    carrier = Carrier(office.network, password="correct horse")
    for number in range(20):
        office.register(id=key(number))
    await asyncio.sleep(10)
    assert len(carrier.contacts) == 20
    await office.registrations.stop()
    assert carrier.contacts == {}
    assert len(office.journal) == 20, "the next process goes on with the same Contacts"


# NAT


@pytest.mark.rule("T-26")
@pytest.mark.rfc("3581", "4")
@virtual
async def test_the_address_that_the_registrar_sees_takes_the_place_of_ours() -> None:
    office = Office()
    carrier = Carrier(office.network)

    def translate(data: bytes) -> bytes:
        if data.startswith(b"SIP/2.0"):
            return data.replace(b";rport=5060", b";rport=4711").replace(
                b"received=10.0.0.1", b"received=203.0.113.9"
            )
        return data

    office.network.mangle = translate
    one = office.register(password="", expires_s=600)
    await office.until(one, "registered", 10)
    assert carrier.times == 2
    assert list(carrier.contacts) == [f"sip:{ID}@203.0.113.9:4711"], (
        "the old one is taken off with the same request"
    )
    await asyncio.sleep(2000)
    assert carrier.times < 8, "it registers once for each change, not for each answer"
    assert office.journal[ID].contact == "UDP 203.0.113.9:4711"


@virtual
async def test_the_address_stays_ours_where_the_policy_says_so() -> None:
    office = Office()
    carrier = Carrier(office.network)
    office.network.mangle = lambda data: data.replace(b";rport=5060", b";rport=4711")
    await office.until(office.register(password="", learns_address=False), "registered", 10)
    assert list(carrier.contacts) == [f"sip:{ID}@{OURS}:5060"]


@virtual
async def test_a_nat_that_moves_us_with_each_request_does_not_have_us_ask_for_ever() -> None:
    office = Office()
    carrier = Carrier(office.network)
    port = [4000]

    def move(data: bytes) -> bytes:
        if data.startswith(b"SIP/2.0"):
            port[0] += 1
        return data.replace(b";rport=5060", f";rport={port[0]}".encode())

    office.network.mangle = move
    await office.until(office.register(password=""), "registered", 10)
    assert carrier.times == 2


# Connections


@pytest.mark.rfc("5626", "4.4")
@virtual
async def test_a_connection_that_breaks_has_all_who_registered_by_it_register_again_at_once() -> None:
    office = Office(transport="tcp")
    carrier = Carrier(office.network, transport="tcp")
    for number in range(10):
        office.register("sip:10.0.1.1;transport=tcp", id=key(number), password="")
    await asyncio.sleep(2)
    assert (carrier.times, len(office.connections)) == (10, 1), "one connection carries all"
    began = office.loop.time()
    office.connections[0].drop()
    await when(lambda: carrier.times >= 20, 0.01)
    assert office.loop.time() - began < 1
    assert len(office.connections) == 2
    assert len({r.call_id for r in carrier.asked}) == 10


@pytest.mark.rfc("5626", "4.4.1")
@virtual
async def test_a_connection_is_kept_alive_once_for_all_who_are_on_it() -> None:
    office = Office(transport="tcp")
    carrier = Carrier(office.network, transport="tcp")
    for number in range(10):
        office.register("sip:10.0.1.1;transport=tcp", id=key(number), password="")
    await asyncio.sleep(1210)
    assert 10 <= office.connections[0].pings <= 13
    assert carrier.times == 10
    await office.registrations.stop()
    pings = office.connections[0].pings
    await asyncio.sleep(1000)
    assert office.connections[0].pings == pings
    assert is_silent(office.endpoint)


@pytest.mark.rfc("5626", "4.4")
@virtual
async def test_the_flow_timer_of_the_registrar_is_obeyed() -> None:
    office = Office(transport="tcp")
    carrier = Carrier(office.network, transport="tcp")
    carrier.extra = "Flow-Timer: 20\r\n"
    await office.until(office.register("sip:10.0.1.1;transport=tcp", password=""), "registered", 10)
    await asyncio.sleep(1000)
    assert 50 <= office.connections[0].pings <= 63


@pytest.mark.rule("T-26")
@pytest.mark.rfc("5626", "4.4.1")
@pytest.mark.parametrize("promise", ["Require: outbound\r\n", "Flow-Timer: 120\r\n", ""])
@virtual
async def test_a_connection_without_a_pong_within_10_s_has_failed_where_the_registrar_promised_one(
    promise: str,
) -> None:
    office = Office(transport="tcp")
    carrier = Carrier(office.network, transport="tcp")
    carrier.extra = promise
    await office.until(office.register("sip:10.0.1.1;transport=tcp", password=""), "registered", 10)
    (connection,) = office.connections
    await asyncio.sleep(1000)
    assert (carrier.times, connection.closed) == (1, False)
    assert connection.pings >= 8
    connection.pongs = False
    pings = connection.pings
    await when(lambda: connection.pings > pings, 0.01)
    await asyncio.sleep(9.9)
    assert not connection.closed
    await asyncio.sleep(0.2)
    assert connection.closed is bool(promise)
    await asyncio.sleep(1)
    assert (carrier.times, len(office.connections)) == ((2, 2) if promise else (1, 1))


@virtual
async def test_a_udp_flow_is_kept_open_for_the_nat() -> None:
    office = Office()
    carrier = Carrier(office.network)
    await office.until(office.register(password=""), "registered", 10)
    carrier.node.receive = None
    await asyncio.sleep(300)
    assert 10 <= office.network.sent("\r\n\r\n") <= 13


@pytest.mark.rfc("5626", "4.2.1")
@virtual
async def test_instance_and_reg_id_are_the_same_after_a_restart() -> None:
    office = Office(transport="tcp")
    carrier = Carrier(office.network, transport="tcp")
    await office.until(office.register("sip:10.0.1.1;transport=tcp", password=""), "registered", 10)
    first = parse_contacts(carrier.last.headers["Contact"])[0]
    assert first.params["reg-id"] == "1"
    assert first.params["+sip.instance"] == "<urn:uuid:01234567-89ab-cdef-0123-456789abcdef>"
    assert carrier.last.headers["Supported"] == "path, outbound"
    office.kill()
    office.start()
    await office.until(office.register("sip:10.0.1.1;transport=tcp", password=""), "registered", 10)
    assert parse_contacts(carrier.last.headers["Contact"])[0].params == first.params


@pytest.mark.rfc("5626", "11.6")
@pytest.mark.parametrize("status", [420, 439])
@virtual
async def test_who_does_not_know_outbound_is_asked_without_it(status: int) -> None:
    office = Office(transport="tcp")
    carrier = Carrier(office.network, transport="tcp")
    carrier.answer_with = lambda r: (status, "") if "reg-id" in r.headers["Contact"] else None
    await office.until(office.register("sip:10.0.1.1;transport=tcp", password=""), "registered", 10)
    assert carrier.times == 2
    assert carrier.last.headers["Supported"] == "path"


@pytest.mark.rfc("5626", "5.3.1")
@virtual
async def test_430_is_tried_again_elsewhere() -> None:
    office = Office()
    office.hosts["carrier.test"] = ["10.0.1.1", "10.0.1.2"]
    first, second = Carrier(office.network, "10.0.1.1"), Carrier(office.network, "10.0.1.2")
    first.answer_with = lambda _request: (430, "")
    await office.until(office.register("sip:carrier.test", password=""), "registered", 10)
    assert second.times == 1


# What the registrar tells


@pytest.mark.rfc("3608", "5")
@pytest.mark.rfc("3327", "5.1")
@pytest.mark.rfc("7315", "4.1")
@virtual
async def test_service_route_path_and_associated_uris_are_kept_until_the_next_answer() -> None:
    office = Office()
    carrier = Carrier(office.network)
    carrier.extra = (
        "Service-Route: <sip:a.test;lr>, <sip:b.test;lr>\r\nPath: <sip:edge.test;lr>\r\n"
        "P-Associated-URI: <sip:+4930123@domain.test>, <sip:me@domain.test>\r\n"
    )
    one = office.register(password="", expires_s=100)
    await office.until(one, "registered", 10)
    assert one.route == "Route: <sip:a.test;lr>, <sip:b.test;lr>\r\n"
    assert one.associated == ("sip:+4930123@domain.test", "sip:me@domain.test")
    assert one.path == "<sip:edge.test;lr>"
    assert "path" in carrier.last.headers["Supported"]
    carrier.extra = ""
    await asyncio.sleep(100)
    assert [one.route, one.path, *one.associated] == ["", ""]


@pytest.mark.parametrize(
    "extra",
    ["Service-Route: <sip:a\r\n", "Service-Route: " + ", ".join(["<sip:a.test;lr>"] * 200) + "\r\n"],
)
@virtual
async def test_a_service_route_that_makes_no_sense_is_left_out(extra: str) -> None:
    office = Office()
    carrier = Carrier(office.network)
    carrier.extra = extra
    one = office.register(password="")
    await office.until(one, "registered", 10)
    assert one.route == ""


# Who may use the Contact


@virtual
async def test_the_user_of_our_contact_is_known_to_the_servers_that_it_was_registered_at_alone() -> None:
    office = Office()
    office.hosts["carrier.test"] = ["10.0.1.1", "10.0.1.2"]
    carrier = Carrier(office.network)
    one = office.register("sip:carrier.test", password="")
    await office.until(one, "registered", 10)
    find = office.registrations.find
    assert find(ID, carrier.host) is one
    assert find(ID, "10.0.1.2") is one
    assert find(ID, "10.0.9.9") is None
    assert find("f" * 32, carrier.host) is None
    assert office.registrations.calls("10.0.1.2")
    assert not office.registrations.calls("10.0.9.9")


@virtual
async def test_an_id_is_used_once_and_new_ones_are_long() -> None:
    office = Office()
    Carrier(office.network)
    office.register(password="")
    with pytest.raises(LocalProtocolError):
        office.register(password="")
    assert len({office.registrations.new_id() for _ in range(100)}) == 100
    assert len(office.registrations.new_id()) == 32


@virtual
async def test_what_is_said_about_a_refresh_goes_to_who_asked_for_it() -> None:
    office = Office()
    carrier = Carrier(office.network)
    one = office.register(password="")
    await office.until(one, "registered", 10)
    office.registrations.register_now(ID)
    await asyncio.sleep(1)
    assert carrier.times == 2
    assert office.words == ["registered"]
    text = office.sent()[-1]
    request = parse_message(text)
    assert isinstance(request, Request)
    assert request.headers["To"] == "<sip:me@domain.test>"
