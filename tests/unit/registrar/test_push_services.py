"""What a REGISTER with push parameters is answered (RFC 8599): Feature-Caps, 555, queries; who is told of a token."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.registrar.office import NOW, FakeFlow, Office, Phone
from trunkline.push.notification import Fate, Outcome, PushAddress, Service
from trunkline.registrar.ports import Wake
from trunkline.registrar.push_desk import PushDesk
from trunkline.registrar.push_parameters import PushNotSupportedError, push_parameters, without_push
from trunkline.registrar.push_record import MOST_OF_ONE, MemoryPushRecords, PushRecord
from trunkline.registrar.push_services import PushServices

APNS = ";pn-provider=apns;pn-param=DEF123.com.example.voip;pn-prid=00fc13adff78512e"
FCM = ";pn-provider=fcm;pn-param=a-project;pn-prid=c0ffee"
WEBPUSH = ";pn-provider=webpush;pn-prid=https%3A//push.example/v1/abc"
pytestmark = pytest.mark.scenario(16)


class Nobody:
    """Wakes nobody."""

    async def wake(self, record: PushRecord, wake: Wake) -> Fate:
        return Fate(Outcome.SENT)


def desk_for(office: Office, *services: Service, refuses: bool = True) -> PushDesk:
    """Give the office's registrar a desk."""
    made = PushDesk(
        PushServices(frozenset(services), "BKey-of_ours", 130, refuses),
        MemoryPushRecords(),
        Nobody(),
        office.location,
        lambda _token: None,
        wall=lambda: office.now,
        purr_key=b"p" * 32,
    )
    office.door.push = made
    return made


@pytest.fixture
def desk(office: Office) -> PushDesk:
    """One that offers APNs and webpush."""
    return desk_for(office, Service.APNS, Service.WEBPUSH)


# What a contact says


def addresses(params: str) -> dict[str, tuple[Any, ...]]:
    found = push_parameters(f"sip:301@10.0.0.7;transport=tcp{params}")
    assert found is not None
    return {use: _short(one) for use, one in found.addresses().items()}


def _short(one: PushAddress) -> tuple[str, ...]:
    return tuple(x for x in (one.service, one.kind, one.token, one.team, one.app, one.environment) if x)


VOIP = ("apns", "voip", "bbb", "TEAM", "org.linphone.phone")
REMOTE = ("apns", "alert", "aaa", "TEAM", "org.linphone.phone")
APPLE = ";pn-provider=apns;pn-param=TEAM.org.linphone.phone"


@pytest.mark.rfc("8599", "10")
@pytest.mark.rfc("8599", "11")
@pytest.mark.rfc("8599", "12")
@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (f"{APPLE}.voip;pn-prid=bbb", {"call": (*VOIP, "production")}),
        (f"{APPLE};pn-prid=aaa", {"call": (*REMOTE, "production"), "quiet": (*REMOTE, "production")}),
        # Flexisip's dialect, in any order.
        (
            f"{APPLE}.remote&voip;pn-prid=aaa:remote&bbb:voip",
            {"call": (*VOIP, "production"), "quiet": (*REMOTE, "production")},
        ),
        (
            f"{APPLE}.voip&remote;pn-prid=aaa:remote&bbb:voip".replace("=apns;", "=apns.dev;"),
            {"call": (*VOIP, "sandbox"), "quiet": (*REMOTE, "sandbox")},
        ),
        (f"{APPLE}.voip;pn-prid=bbb:voip", {"call": (*VOIP, "production")}),
        (f"{APPLE}.remote;pn-prid=aaa", {"call": (*REMOTE, "production"), "quiet": (*REMOTE, "production")}),
        # Linphone's SDK writes this team as long as the app has not set its own: it is ours to know.
        (
            f"{APPLE}.voip;pn-prid=bbb".replace("TEAM", "ABCD1234"),
            {"call": ("apns", "voip", "bbb", "org.linphone.phone", "production")},
        ),
        # What came before.
        (
            ";pn-type=apple;app-id=org.linphone.phone.voip.dev;pn-tok=bbb",
            {"call": ("apns", "voip", "bbb", "org.linphone.phone", "sandbox")},
        ),
        (
            ";pn-type=firebase;app-id=929724111839;pn-tok=ttt",
            dict.fromkeys(("call", "quiet"), ("fcm", "token", "ttt", "929724111839", "production")),
        ),
        (
            ";pn-type=android;app-id=929724111839;pn-tok=ttt",
            dict.fromkeys(("call", "quiet"), ("fcm", "token", "ttt", "929724111839", "production")),
        ),
        (
            ";PN-Provider=FCM;PN-Param=a-project;PN-Prid=ttt",
            dict.fromkeys(("call", "quiet"), ("fcm", "token", "ttt", "a-project", "production")),
        ),
        (
            WEBPUSH,
            dict.fromkeys(
                ("call", "quiet"), ("webpush", "webpush", "https://push.example/v1/abc", "production")
            ),
        ),
    ],
)
def test_where_a_phone_is_woken(params: str, expected: dict[str, tuple[str, ...]]) -> None:
    assert addresses(params) == expected


@pytest.mark.rfc("8599", "5.6.1.1")
@pytest.mark.parametrize(
    "params",
    [
        ";pn-provider=apns;pn-prid=aaa",
        ";pn-provider=apns;pn-param=;pn-prid=aaa",
        ";pn-provider=apns;pn-param=nodot;pn-prid=aaa",
        f"{APPLE}.remote&voip;pn-prid=aaa",
        f"{APPLE}.remote&voip;pn-prid=aaa:remote",
        f"{APPLE}.remote&voip;pn-prid=aaa:remote&bbb:remote",
        f"{APPLE}.voip;pn-prid=aaa:remote",
        f"{APPLE}.voip;pn-prid=aaa:voip&bbb:remote",
        ";pn-provider=fcm;pn-prid=aaa",
        f"{WEBPUSH};pn-param=x",
        ";pn-provider=webpush;pn-prid=http%3A//push.example/abc",
        ";pn-provider=acme;pn-prid=aaa;pn-param=x",
    ],
)
def test_what_cannot_be_woken_is_told(params: str) -> None:
    found = push_parameters(f"sip:301@10.0.0.7{params}")
    assert found is not None
    with pytest.raises(PushNotSupportedError) as refused:
        found.addresses()
    assert refused.value.status == 555
    assert "aaa" not in str(refused.value) + refused.value.why


# Feature-Caps, 555, queries


@pytest.mark.rfc("8599", "8.2")
async def test_the_answer_names_the_service_that_wakes(office: Office, phone: Phone, desk: PushDesk) -> None:
    response = await phone.register(f"<sip:301@10.0.0.7{APNS}>")
    purr = desk.purr("a", "301", ("apns", "00fc13adff78512e", "DEF123.com.example.voip"))
    assert response.headers["Feature-Caps"] == f'*;+sip.pns="apns";+sip.pnspurr="{purr}"'
    (record,) = desk.records.of("a", "301")
    assert desk.named(purr) is record
    assert desk.named(purr[:-1]) is None
    assert record.registered_at == NOW
    # A refresh, which takes the short way, says it again.
    again = await phone.register(f"<sip:301@10.0.0.7{APNS}>")
    assert again.headers["Feature-Caps"] == response.headers["Feature-Caps"]


@pytest.mark.rfc("8599", "8.3")
async def test_webpush_comes_with_our_key(office: Office, phone: Phone, desk: PushDesk) -> None:
    response = await phone.register(f"<sip:301@10.0.0.7{WEBPUSH}>")
    assert '+sip.pns="webpush";+sip.vapid="BKey-of_ours"' in response.headers["Feature-Caps"]


@pytest.mark.rfc("8599", "8.4")
@pytest.mark.rfc("8599", "8.5")
async def test_a_phone_that_wakes_itself_is_told_when(office: Office, phone: Phone, desk: PushDesk) -> None:
    response = await phone.register(f"<sip:301@10.0.0.7{APNS}>;+sip.pnsreg")
    assert '+sip.pnsreg="130"' in response.headers["Feature-Caps"]


@pytest.mark.rfc("8599", "8.1")
@pytest.mark.parametrize(
    "params", [FCM, ";pn-provider=acme;pn-prid=x", APNS.replace("DEF123.", ""), ";pn-type=apple"]
)
async def test_a_service_that_we_do_not_have_is_refused(
    office: Office, phone: Phone, desk: PushDesk, params: str
) -> None:
    params = params.replace("com.example.voip", "nodot")
    response = await phone.register(f"<sip:301@10.0.0.7{params}>")
    assert (response.status, response.reason) == (555, "Push Notification Service Not Supported")
    assert office.contacts() == []
    assert office.codes()[-1] == "register.refused"
    # But it may always leave.
    assert (await phone.register(f"<sip:301@10.0.0.7{params}>;expires=0")).status == 200


async def test_or_registered_and_never_woken_where_the_operator_says_so(office: Office, phone: Phone) -> None:
    desk = desk_for(office, Service.APNS, refuses=False)
    response = await phone.register(f"<sip:301@10.0.0.7{FCM}>")
    assert response.status == 200
    assert "Feature-Caps" not in response.headers
    assert not desk.records.of("a", "301")


async def test_without_any_service_the_parameters_mean_nothing(office: Office, phone: Phone) -> None:
    desk = desk_for(office)
    response = await phone.register(f"<sip:301@10.0.0.7{FCM}>")
    assert response.status == 200
    assert "Feature-Caps" not in response.headers
    assert not desk.records.of("a", "301")


@pytest.mark.rfc("8599", "4.1.5")
@pytest.mark.rfc("8599", "5.6.1.2")
@pytest.mark.parametrize(
    ("params", "told"),
    [
        (";pn-provider", '*;+sip.pns="apns,webpush";+sip.vapid="BKey-of_ours";+sip.pnsreg="130"'),
        (";pn-provider=apns", '*;+sip.pns="apns";+sip.pnsreg="130"'),
        (";pn-provider=fcm", None),
    ],
)
async def test_a_phone_may_ask_first(
    office: Office, phone: Phone, desk: PushDesk, params: str, told: str | None
) -> None:
    response = await phone.register(f"<sip:301@10.0.0.7{params}>")
    assert response.status == (200 if told else 555)
    assert response.headers.get("Feature-Caps") == told
    assert not desk.records.of("a", "301")
    assert bool(office.contacts()) is bool(told)


@pytest.mark.rfc("8599", "5.6.1.1")
async def test_a_proxy_before_us_that_wakes_leaves_nothing_to_us(
    office: Office, phone: Phone, desk: PushDesk
) -> None:
    await phone.register(f"<sip:301@10.0.0.7{APNS}>")
    upstream = 'Expires: 3600\r\nFeature-Caps: *;+sip.pns="fcm,apns";+sip.pnspurr="x"\r\n'
    response = await phone.register(f"<sip:301@10.0.0.7{APNS}>", upstream)
    assert response.status == 200
    assert "Feature-Caps" not in response.headers
    assert not desk.records.of("a", "301")
    assert len(office.contacts()) == 1


# Who is told of a token


@pytest.mark.rfc("8599", "13")
async def test_other_phones_are_not_told_how_one_is_woken(
    office: Office, phone: Phone, desk: PushDesk
) -> None:
    own = await phone.register(f"<sip:301@10.0.0.7;transport=tcp{APNS}>")
    assert "00fc13adff78512e" in own.headers["Contact"]
    other = Phone(office, flow=FakeFlow("198.51.100.8"))
    response = await other.register("<sip:301@10.0.0.8>")
    assert "<sip:301@10.0.0.7;transport=tcp>" in response.headers["Contact"]
    assert "pn-" not in response.headers["Contact"]
    assert "00fc13adff78512e" not in (await other.register(None)).headers["Contact"]


def test_all_that_wakes_is_taken_out() -> None:
    uri = "sip:301@h;transport=tcp;app-id=x;PN-tok=1;pn-msg-str=IM_MSG;pn-timeout=0;ob"
    assert without_push(uri) == "sip:301@h;transport=tcp;ob"
    assert without_push("sip:301@h;x=pn") == "sip:301@h;x=pn"


# What is kept


def record(prid: str, instance: str = "", at: float = NOW) -> PushRecord:
    return PushRecord("a", "301", "fcm", prid, "p", instance, at)


def test_a_token_that_was_renewed_takes_the_place_of_the_old_one() -> None:
    records = MemoryPushRecords()
    records.keep(record("one", "<urn:uuid:1>"))
    records.keep(record("two", "<urn:uuid:1>"))
    records.keep(record("three"))
    assert [one.prid for one in records.of("a", "301")] == ["two", "three"]
    assert "two" not in repr(records.of("a", "301"))
    records.forget(record("three"))
    records.forget(record("two"))
    assert not records.of("a", "301")
    assert records.count == 0


def test_an_extension_has_so_many_phones_at_most() -> None:
    records = MemoryPushRecords()
    for number in range(MOST_OF_ONE + 5):
        records.keep(record(f"t{number}"))
    assert records.count == len(records.of("a", "301")) == MOST_OF_ONE
    assert records.of("a", "301")[-1].prid == f"t{MOST_OF_ONE + 4}"


@pytest.mark.rfc("8599", "4.1.2")
async def test_a_phone_that_leaves_its_parameters_out_is_woken_no_more(
    office: Office, phone: Phone, desk: PushDesk
) -> None:
    instance = ';+sip.instance="<urn:uuid:f81d4fae>"'
    await phone.register(f"<sip:301@10.0.0.7{APNS}>{instance}")
    assert desk.records.of("a", "301")
    await phone.register(f"<sip:301@10.0.0.7>{instance}")
    assert not desk.records.of("a", "301")


@pytest.mark.parametrize("contact", ["*", f"<sip:301@10.0.0.7{APNS}>"])
async def test_a_phone_that_leaves_is_forgotten(
    office: Office, phone: Phone, desk: PushDesk, contact: str
) -> None:
    await phone.register(f"<sip:301@10.0.0.7{APNS}>")
    assert (await phone.register(contact, "Expires: 0\r\n")).status == 200
    assert not desk.records.of("a", "301")


async def test_a_binding_that_expires_leaves_the_way_to_wake_its_phone(
    office: Office, phone: Phone, desk: PushDesk
) -> None:
    await phone.register(f"<sip:301@10.0.0.7{APNS}>")
    office.now += 4000
    office.location.sweep(office.now)
    assert desk.away("a", "301", []) == 1
    assert not office.contacts()


async def test_a_register_without_parameters_touches_nothing(
    office: Office, phone: Phone, desk: PushDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(desk.services), "read", lambda *_: pytest.fail("was read"))
    assert (await phone.register("<sip:301@10.0.0.7>")).status == 200
    assert (await phone.register("<sip:301@10.0.0.7>")).status == 200
