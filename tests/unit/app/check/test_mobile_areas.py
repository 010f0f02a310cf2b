"""What a check finds about the mobile gateway: the API, push keys, push services, the domains of accounts."""

from __future__ import annotations

import asyncio
import email.utils
import json
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from trunkline.app.addresses import HostAddresses
from trunkline.app.archive import VAPID_FILE
from trunkline.app.check import accounts, push_services
from trunkline.app.check import api as api_area
from trunkline.app.check import push as push_area
from trunkline.app.check.domain import NoAnswer, Target
from trunkline.app.check.finding import Case, Finding, Grade
from trunkline.app.check.push_services import Service, reached, skew
from trunkline.app.check.running import warned
from trunkline.app.mobile_status import mobile_troubles
from trunkline.app.settings.file import load_settings
from trunkline.base.messages import PushServiceRow
from trunkline.push.doubles.authority import Authority

ON = '[api]\nlisten = "127.0.0.1:0"\npublic_url = "https://voice.example.com"\n'


def case(folder: Path, text: str) -> Case:
    file = folder / "t.toml"
    file.write_text(text)
    file.chmod(0o600)
    loaded = load_settings(file, folder, host=HostAddresses("192.0.2.7"), env={})
    return Case(loaded, loaded.data)


def bad(findings: Iterable[Finding]) -> list[tuple[Grade, str]]:
    """What is not well; each of these must say what to do."""
    found = [finding for finding in findings if finding.grade is not Grade.OK]
    assert all(finding.mend for finding in found)
    return [(finding.grade, finding.what) for finding in found]


def pem_of(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def private_file(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o600)
    return path


# The API


def test_an_exchange_without_apps_has_nothing_to_say_about_them(tmp_path: Path) -> None:
    plain = case(tmp_path, "")
    areas = (api_area.api, push_area.push, push_services.push_services, accounts.accounts)
    assert [list(area(plain)) for area in areas] == [[], [], [], []]


def test_apps_without_an_api_are_told(tmp_path: Path) -> None:
    ((grade, what),) = bad(api_area.api(case(tmp_path, '[mobile]\ndomains = "pbx.example.com"')))
    assert (grade, "the API is off" in what) == (Grade.WARN, True)


def test_a_good_api_is_well(tmp_path: Path) -> None:
    assert bad(api_area.api(case(tmp_path, ON))) == []


@pytest.mark.parametrize(
    ("url", "grade", "said"),
    [
        ("", Grade.WARN, "is not set"),
        ("http://voice.example.com", Grade.FAIL, "no https"),
        ("http://localhost:8080", Grade.WARN, "this machine alone"),
        ("https://127.0.0.1", Grade.WARN, "this machine alone"),
    ],
)
def test_the_public_address_is_one_that_phones_can_use(
    url: str, grade: Grade, said: str, tmp_path: Path
) -> None:
    told = f'public_url = "{url}"' if url else ""
    ((seen, what),) = bad(api_area.api(case(tmp_path, f'[api]\nlisten = "127.0.0.1:0"\n{told}')))
    assert (seen, said in what) == (grade, True)


def test_the_public_address_has_the_root_path_in_it(tmp_path: Path) -> None:
    ((grade, what),) = bad(api_area.api(case(tmp_path, f'{ON}root_path = "/gw"')))
    assert (grade, "/gw (api.root_path)" in what) == (Grade.WARN, True)


def test_secrets_are_long_apart_and_for_their_owner(tmp_path: Path) -> None:
    found = bad(api_area.api(case(tmp_path, f'{ON}[auth]\nsecret = "short"\napi_key = "short"')))
    assert [grade for grade, _ in found] == [Grade.WARN, Grade.WARN, Grade.FAIL]
    assert "are the same" in found[2][1]
    assert not any("'short'" in what for _, what in found)
    file = private_file(tmp_path / "auth.secret", b"x" * 43)
    text = f'{ON}[auth]\nsecret_file = "{file}"'
    assert bad(api_area.api(case(tmp_path, text))) == []
    file.chmod(0o644)
    ((grade, what),) = bad(api_area.api(case(tmp_path, text)))
    assert (grade, what) == (Grade.WARN, f"{file} is open to other users")
    file.unlink()
    ((grade, what),) = bad(api_area.api(case(tmp_path, text)))
    assert (grade, "auth.secret_file" in what) == (Grade.FAIL, True)


def test_a_settings_file_with_a_secret_in_it_is_for_its_owner(tmp_path: Path) -> None:
    one = case(tmp_path, f'{ON}[auth]\nsecret = "{"x" * 43}"')
    assert bad(api_area.api(one)) == []
    (tmp_path / "t.toml").chmod(0o644)
    assert [grade for grade, _ in bad(api_area.api(one))] == [Grade.WARN]


# Keys of push services


def apns_case(folder: Path, key: bytes | None, key_id: str = "ABCDE12345") -> Case:
    path = folder / "AuthKey.p8"
    if key is not None:
        private_file(path, key)
    text = f'[push.apns]\nkey_path = "{path}"\nkey_id = "{key_id}"\nteam_id = "FGHIJ67890"\nbundle_id = "com.example.a"'
    return case(folder, ON + text)


def test_a_good_apns_key_is_well(tmp_path: Path) -> None:
    found = list(push_area.push(apns_case(tmp_path, pem_of(ec.generate_private_key(ec.SECP256R1())))))
    assert bad(found) == []
    assert "APNs: key ABCDE12345 of team FGHIJ67890" in found[0].what


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (None, "cannot be read"),
        (b"not a key", "holds no PEM private key"),
        (pem_of(ec.generate_private_key(ec.SECP384R1())), "not of the curve P-256"),
        (pem_of(rsa.generate_private_key(65537, 2048)), "not of the curve P-256"),
    ],
)
def test_an_apns_key_that_cannot_sign_fails(key: bytes | None, said: str, tmp_path: Path) -> None:
    ((grade, what),) = bad(push_area.push(apns_case(tmp_path, key)))
    assert (grade, said in what) == (Grade.FAIL, True), what


def test_an_examples_key_id_fails(tmp_path: Path) -> None:
    good = pem_of(ec.generate_private_key(ec.SECP256R1()))
    ((grade, what),) = bad(push_area.push(apns_case(tmp_path, good, "X" * 10)))
    assert (grade, "is the example's" in what) == (Grade.FAIL, True)


def voip_certificate(key: ec.EllipticCurvePrivateKey, days: int) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "VoIP Services: com.example.a")])
    end = datetime.now(UTC) + timedelta(days=days)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, end - timedelta(days=395), end)
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(("days", "grades"), [(200, []), (10, [Grade.WARN]), (-1, [Grade.FAIL])])
def test_an_apns_certificate_holds_for_a_while(days: int, grades: list[Grade], tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    file = private_file(tmp_path / "voip.pem", voip_certificate(key, days) + pem_of(key))
    text = f'{ON}[push.apns]\nbundle_id = "com.example.a"\ncertificate = "{file}"'
    assert [grade for grade, _ in bad(push_area.push(case(tmp_path, text)))] == grades


def test_an_apns_certificate_goes_with_its_own_key(tmp_path: Path) -> None:
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    file = private_file(tmp_path / "voip.pem", voip_certificate(key, 200) + pem_of(other))
    text = f'{ON}[push.apns]\nbundle_id = "com.example.a"\ncertificate = "{file}"'
    ((grade, what),) = bad(push_area.push(case(tmp_path, text)))
    assert (grade, "is not the key of" in what) == (Grade.FAIL, True)


def account(**fields: str) -> bytes:
    key = pem_of(rsa.generate_private_key(65537, 2048)).decode()
    base = {
        "type": "service_account",
        "project_id": "my-phone",
        "private_key_id": "k",
        "private_key": key,
        "client_email": "push@my-phone.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    return json.dumps(base | fields).encode()


def fcm_case(folder: Path, data: bytes | None, project: str = "") -> Case:
    path = folder / "account.json"
    if data is not None:
        private_file(path, data)
    return case(folder, f'{ON}[push.fcm]\nservice_account_path = "{path}"\nproject_id = "{project}"')


def test_a_good_service_account_is_well(tmp_path: Path) -> None:
    found = list(push_area.push(fcm_case(tmp_path, account())))
    assert bad(found) == []
    assert "push@my-phone.iam.gserviceaccount.com for project my-phone" in found[-1].what


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "cannot be read"),
        (b"{", "no JSON"),
        (b'{"project_info": {}}', "the app's google-services.json"),
        (account(private_key="none"), "account.json"),
    ],
)
def test_what_is_no_service_account_fails(data: bytes | None, said: str, tmp_path: Path) -> None:
    ((grade, what),) = bad(push_area.push(fcm_case(tmp_path, data)))
    assert (grade, said in what) == (Grade.FAIL, True), what


def test_an_account_of_another_project_is_told(tmp_path: Path) -> None:
    ((grade, what),) = bad(push_area.push(fcm_case(tmp_path, account(), "another-one")))
    assert (grade, "another-one" in what) == (Grade.WARN, True)


def test_a_web_push_key_and_a_webhook_are_looked_at(tmp_path: Path) -> None:
    text = f'{ON}[push.webpush]\nkey_path = "{tmp_path / "vapid.pem"}"\n'
    ((grade, what),) = bad(push_area.push(case(tmp_path, text)))
    assert (grade, "push.webpush.key_path" in what) == (Grade.FAIL, True)
    private_file(tmp_path / "vapid.pem", pem_of(ec.generate_private_key(ec.SECP256R1())))
    assert bad(push_area.push(case(tmp_path, text))) == []
    hook = f'{ON}[push.webhook]\nurl = "http://backend.example.com"\nsecret = "x"'
    ((grade, what),) = bad(push_area.push(case(tmp_path, hook)))
    assert (grade, "no https" in what) == (Grade.WARN, True)


def test_a_web_push_key_of_our_own_is_looked_at_where_there_is_one(tmp_path: Path) -> None:
    looked_at = case(tmp_path, f"{ON}")
    assert bad(push_area.push(looked_at)) == []
    assert not (looked_at.data.path / VAPID_FILE).exists()
    looked_at.data.path.mkdir(exist_ok=True)
    (looked_at.data.path / VAPID_FILE).write_text("half a key")
    ((grade, what),) = bad(push_area.push(looked_at))
    assert (grade, f"{VAPID_FILE}, which has no plain PEM private key" in what) == (Grade.FAIL, True)


# Whether push services are reached


@asynccontextmanager
async def web_server(authority: Authority, ahead_s: float, alpn: tuple[str, ...]) -> AsyncIterator[int]:
    """Answers everything with 404 and a Date."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.read(4096)
        if head:
            date = email.utils.formatdate(time.time() + ahead_s, usegmt=True)
            writer.write(f"HTTP/1.1 404 Not Found\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=authority.server_context(alpn=alpn))
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(("ahead_s", "grades"), [(0.0, []), (-100.0, [Grade.WARN]), (4000.0, [Grade.FAIL])])
async def test_a_service_is_reached_and_its_clock_compared(
    ahead_s: float, grades: list[Grade], tmp_path: Path
) -> None:
    authority = Authority()
    (tmp_path / "ca.pem").write_bytes(authority.ca_pem)
    async with web_server(authority, ahead_s, ("http/1.1",)) as port:
        found = await reached(Service("FCM", f"https://localhost:{port}"), None, tmp_path / "ca.pem")
    assert found[0].what == f"FCM: localhost:{port} is reached"
    assert [grade for grade, _ in bad(found)] == grades


async def test_apns_speaks_http_2_or_somebody_stands_between(tmp_path: Path) -> None:
    authority = Authority()
    (tmp_path / "ca.pem").write_bytes(authority.ca_pem)
    for alpn, grades in ((("h2",), []), (("http/1.1",), [Grade.FAIL])):
        async with web_server(authority, 0.0, alpn) as port:
            found = await reached(
                Service("APNs", f"https://localhost:{port}", "h2"), None, tmp_path / "ca.pem"
            )
        assert [grade for grade, _ in bad(found)] == grades


async def test_a_service_that_is_not_reached_or_not_believed_fails() -> None:
    async with web_server(Authority(), 0.0, ()) as port:
        ((grade, what),) = bad(await reached(Service("FCM", f"https://localhost:{port}"), None, None))
    assert (grade, "its certificate is not believed" in what) == (Grade.FAIL, True)
    ((grade, what),) = bad(await reached(Service("FCM", f"https://127.0.0.1:{port}"), None, None))
    assert (grade, "is not reached" in what) == (Grade.FAIL, True)


def test_what_is_set_is_what_is_asked(tmp_path: Path) -> None:
    text = (
        '[push.apns]\nkey_path = "AuthKey_ABCDE12345.p8"\nteam_id = "FGHIJ67890"\nsandbox = true\n'
        '[push.fcm]\nservice_account_path = "a.json"'
    )
    wanted = push_services.services(case(tmp_path, text).loaded.settings)
    assert [(one.name, one.url) for one in wanted] == [
        ("APNs", "https://api.sandbox.push.apple.com"),
        ("FCM", "https://fcm.googleapis.com"),
    ]


def test_a_second_or_two_is_no_skew() -> None:
    assert skew("FCM", 2.0).grade is Grade.OK
    assert "20 s ahead of" in skew("FCM", -20.0).what


# Domains of accounts


def no_servers(_service: str) -> list[Target]:
    return []


def test_a_domain_is_found_by_its_servers_and_asked_there() -> None:
    asked = []

    def ask(transport: str, host: str, port: int) -> str:
        asked.append((transport, host, port))
        return "SIP/2.0 200 OK"

    (found,) = accounts.server(
        "pbx.example.com",
        {"edge.example.com": {"192.0.2.5"}}.__getitem__,
        {"_sip._udp.pbx.example.com": [("edge.example.com", 5070)]}.__getitem__,
        ask,
    )
    assert (found.grade, asked) == (Grade.OK, [("udp", "192.0.2.5", 5070)])
    assert found.what.endswith("answers 200 OK")


def test_a_domain_that_leads_nowhere_fails_and_a_silent_one_is_told() -> None:
    def silent(_transport: str, _host: str, _port: int) -> str:
        raise TimeoutError

    ((grade, what),) = bad(accounts.server("pbx.example.com", lambda _name: set(), no_servers, silent))
    assert (grade, "has no address in DNS" in what) == (Grade.FAIL, True)
    ((grade, what),) = bad(accounts.server("192.0.2.9", lambda _name: set(), no_servers, silent))
    assert (grade, "192.0.2.9:5060 says nothing to OPTIONS" in what) == (Grade.WARN, True)

    def mute(_service: str) -> list[Target]:
        raise NoAnswer("the name servers do not answer (Timeout)")

    ((grade, _),) = bad(accounts.server("pbx.example.com", lambda _name: set(), mute, silent))
    assert grade is Grade.WARN


@pytest.mark.parametrize(
    ("text", "grades"),
    [
        ("", []),
        ("[exchange]\nenabled = false", [Grade.FAIL]),
        ('[mobile]\ndomains = ["*"]', [Grade.WARN]),
        ('[exchange]\nenabled = false\n[mobile]\ndomains = ["*.example.com"]', []),
    ],
)
def test_a_list_that_takes_nobody_or_everybody_is_told(
    text: str, grades: list[Grade], tmp_path: Path
) -> None:
    found = accounts.accounts(case(tmp_path, ON + text))
    assert [grade for grade, _ in bad(found)] == grades


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            ON,
            (
                Grade.OK,
                "Web Push alone: without [push.apns] and [push.fcm] no other app that sleeps is woken",
            ),
        ),
        (
            f"{ON}[push.webpush]\nenabled = false\n",
            (Grade.WARN, "no push service is set: sleeping apps are not woken"),
        ),
        ("", None),
    ],
)
def test_who_sets_no_push_service_is_told_what_is_not_woken(
    tmp_path: Path, text: str, said: tuple[Grade, str] | None
) -> None:
    found = [(one.grade, one.what) for one in push_area.push(case(tmp_path, text))]
    assert found == ([] if said is None else [said])


# What the exchange that runs says


@pytest.mark.parametrize(
    ("state", "why", "what", "mend"),
    [
        (
            "suspect",
            "tokens for my-project are refused (SENDER_ID_MISMATCH): look at [push.fcm], and at the Firebase project",
            "pushes by fcm: tokens for my-project are refused (SENDER_ID_MISMATCH)",
            "look at [push.fcm], and at the Firebase project",
        ),
        (
            "failing",
            "403: no key",
            "pushes by fcm fail (403: no key)",
            "look at what is said here of push and push services, else at its log",
        ),
    ],
)
def test_trouble_with_a_push_service_of_the_running_exchange_comes_with_its_advice(
    state: str, why: str, what: str, mend: str
) -> None:
    (line,) = mobile_troubles({"push": (PushServiceRow("fcm", state, why),), "accounts": {}})
    assert (warned(line).what, warned(line).mend, warned(line).grade) == (what, mend, Grade.WARN)


def test_other_warnings_of_the_running_exchange_send_to_where_more_is_told() -> None:
    (line,) = mobile_troubles({"push": (), "accounts": {"error": 2}})
    assert warned(line).mend == "trunkline devices list tells why"
    assert warned("the store is behind: 7 rows wait").mend == "trunkline status tells more"
