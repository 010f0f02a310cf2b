"""Accounts, domains, push addresses and destinations as apps give them: what is taken, and what is refused."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any

import pytest

from tests.link.gateway import OwnExchange
from trunkline.base.errors import TransportError
from trunkline.base.messages import Refused
from trunkline.base.messages.devices import PushTarget, SipAccount
from trunkline.mobile.account_form import AccountForm, read_account
from trunkline.mobile.domains import DomainList, GuardedLocator, host_of
from trunkline.mobile.push_form import read_platform, read_push
from trunkline.net.dns import Hop
from trunkline.proto.sip.uri import SipUri, parse_uri
from trunkline.push.notification import Service

LISTED = DomainList.of(["pbx.example", "*.voice.example", "192.0.2.1"], ["edge.example", "198.51.100.0/24"])
GOOD = SipAccount("alice", "pbx.example", "s3cret-word")
P256DH, AUTH = "B" * 87, "A" * 22


def read(account: SipAccount, listed: DomainList = LISTED, tenant: str = "t1") -> AccountForm:
    return read_account(tenant, account, listed, OwnExchange())


@pytest.mark.parametrize(
    ("changes", "registrar", "port"),
    [
        ({}, "pbx.example", 0),
        ({"port": 5060}, "pbx.example", 0),
        ({"port": 5070}, "pbx.example", 5070),
        ({"port": 5061, "transport": "TLS"}, "pbx.example", 0),
        ({"domain": "PBX.example."}, "pbx.example", 0),
        ({"domain": "a.b.voice.example"}, "a.b.voice.example", 0),
        ({"domain": "192.0.2.1"}, "192.0.2.1", 0),
        ({"registrar": "sip.pbx.example"}, "sip.pbx.example", 0),
        ({"registrar": "edge.example"}, "edge.example", 0),
        ({"registrar": "198.51.100.7"}, "198.51.100.7", 0),
        ({"registrar": "x.voice.example"}, "x.voice.example", 0),
    ],
)
def test_an_account_that_may_be_brought(changes: dict[str, Any], registrar: str, port: int) -> None:
    form = read(replace(GOOD, **changes))
    assert (form.registrar, form.port, form.own) == (registrar, port, False)


@pytest.mark.scenario(15)
@pytest.mark.parametrize(
    "changes",
    [
        {"domain": "evil.example"},
        {"domain": "voice.example"},
        {"domain": "notvoice.example"},
        {"domain": "192.0.2.2"},
        {"domain": "other.test"},  # a domain of another tenant of ours
        {"registrar": "evil.example"},
        {"registrar": "127.0.0.1"},
        {"registrar": "169.254.169.254"},
        {"registrar": "evilpbx.example"},
        {"registrar": "::1"},
    ],
)
def test_what_is_not_on_the_list_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        read(replace(GOOD, **changes))
    assert (refused.value.problem.code, refused.value.problem.status) == ("account.domain", 422)


@pytest.mark.parametrize(
    "changes",
    [
        {"username": ""},
        {"username": "a" * 65},
        {"username": "alice\r\nX-Evil: 1"},
        {"username": "alice@evil"},
        {"username": "<alice>"},
        {"username": "al ice"},
        {"username": "ålice"},
        {"domain": ""},
        {"domain": "pbx.example\r\nVia: x"},
        {"domain": "pbx.example:5060"},
        {"domain": "pbx..example"},
        {"domain": "127.1"},
        {"domain": "x" * 300},
        {"registrar": "pbx.example:5060"},
        {"registrar": "sip:pbx.example"},
        {"transport": "ws"},
        {"transport": "udp\r\n"},
        {"port": -1},
        {"port": 22},
        {"port": 65536},
        {"password": ""},
        {"password": "x" * 257},
        {"password": "a\nb"},
        {"password": "\ud800"},
        {"auth_username": "a\r\nb"},
        {"display_name": "Alice\r\nX-Evil: 1"},
        {"display_name": "Alice\x00"},
        {"display_name": "Alice\u2028"},
        {"display_name": "x" * 129},
    ],
)
def test_what_would_not_do_in_a_header_is_refused_and_never_told(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        read(replace(GOOD, **changes))
    problem = refused.value.problem
    assert (problem.code, problem.status) == ("account.invalid", 422)
    for value in (*changes.values(), "s3cret-word"):
        assert not value or str(value) not in f"{problem.detail} {problem.hint}".replace("1024 to 65535", "")


def test_an_extension_of_ours_has_no_registrar() -> None:
    form = read(SipAccount("1001", "OWN.test", "x", registrar="evil.example"))
    assert (form.own, form.registrar, form.transport, form.port) == (True, "", "", 0)


def test_nothing_is_allowed_where_nothing_is_listed() -> None:
    with pytest.raises(Refused):
        read(GOOD, DomainList())


def test_every_domain_means_every_public_one() -> None:
    everything = DomainList.of(["*"], inside=[ipaddress.ip_network("10.1.0.0/16")])
    assert read(replace(GOOD, domain="any.example.org"), everything).domain == "any.example.org"
    assert read(replace(GOOD, domain="10.1.2.3"), everything).domain == "10.1.2.3"
    for domain in ("127.0.0.1", "10.2.0.1", "::1", "localhost", "169.254.169.254"):
        with pytest.raises(Refused):
            read(replace(GOOD, domain=domain), everything)


def test_a_tenant_has_domains_that_another_has_not() -> None:
    listed = DomainList.of([], of_tenant={"t1": ["mine.example"]})
    assert read(replace(GOOD, domain="mine.example"), listed).tenant == "t1"
    with pytest.raises(Refused):
        read(replace(GOOD, domain="mine.example"), listed, "t2")


@pytest.mark.parametrize("entry", ["", "a b", "*.10.0.0.1", "http://x", "*."])
def test_a_list_with_an_entry_that_is_none_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        DomainList.of([entry])


def test_hosts_have_one_form() -> None:
    assert host_of("PBX.Example.") == "pbx.example"
    assert host_of("2001:DB8::0:1") == "2001:db8::1"
    assert host_of("[2001:db8::1]") == "2001:db8::1"
    assert host_of("fe80::1%eth0") is None
    assert host_of("0x7f.1") is None


class Finding:
    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def locate(self, _uri: SipUri) -> list[Hop]:
        return [Hop("UDP", one, 5060, "x") for one in self.addresses]


async def test_a_name_that_nobody_listed_leads_nowhere_inside() -> None:
    everything = DomainList.of(["*", "named.example"])
    guarded = GuardedLocator(Finding("127.0.0.1", "8.8.8.8"), everything)
    assert [hop.address for hop in await guarded.locate(parse_uri("sip:any.example.org"))] == ["8.8.8.8"]
    inside = GuardedLocator(Finding("127.0.0.1", "10.0.0.1"), everything)
    with pytest.raises(TransportError):
        await inside.locate(parse_uri("sip:any.example.org"))
    named = await inside.locate(parse_uri("sip:named.example"))
    assert len(named) == 2, "the operator knows where that leads"


# Push addresses


@pytest.mark.parametrize(
    ("platform", "push", "service", "kind"),
    [
        (
            "ios",
            PushTarget("voip", "ab" * 32, "cd" * 32, bundle_id="com.example.app.voip"),
            Service.APNS,
            "voip",
        ),
        ("ios", PushTarget("", "ab" * 32), Service.APNS, "voip"),
        ("android", PushTarget("", "abc:DEF-1_2"), Service.FCM, "token"),
        ("android", PushTarget("fid", "cXyZ123"), Service.FCM, "fid"),
        (
            "web",
            PushTarget("", "https://push.example/x?y=1", p256dh=P256DH, auth=AUTH),
            Service.WEBPUSH,
            "webpush",
        ),
        ("other", PushTarget("webhook", "device-7"), Service.WEBHOOK, "webhook"),
    ],
)
def test_a_push_address_that_can_be_used(
    platform: str, push: PushTarget, service: Service, kind: str
) -> None:
    form = read_push(read_platform(platform), push)
    assert (form.service, form.kind) == (service, kind)
    assert not form.bundle_id.endswith(".voip")
    assert push.token not in repr(form)


@pytest.mark.parametrize(
    ("platform", "push"),
    [
        ("ios", PushTarget("voip", "xyz")),
        ("ios", PushTarget("voip", "ab" * 200)),
        ("ios", PushTarget("voip", "ab" * 32, alert_token="no hex")),
        ("ios", PushTarget("voip", "ab" * 32, environment="test")),
        ("ios", PushTarget("voip", "ab" * 32, bundle_id="com/../x")),
        ("ios", PushTarget("carrier pigeon", "ab" * 32)),
        ("android", PushTarget("voip", "ab" * 32)),
        ("android", PushTarget("token", "")),
        ("android", PushTarget("token", "a\r\nb")),
        ("android", PushTarget("token", "a" * 4097)),
        ("web", PushTarget("webpush", "http://push.example/x", p256dh=P256DH, auth=AUTH)),
        ("web", PushTarget("webpush", "https://user@push.example/x", p256dh=P256DH, auth=AUTH)),
        ("web", PushTarget("webpush", "https://push.example:99999/x", p256dh=P256DH, auth=AUTH)),
        ("web", PushTarget("webpush", "https:///x", p256dh=P256DH, auth=AUTH)),
        ("web", PushTarget("webpush", "https://[push/x", p256dh=P256DH, auth=AUTH)),
        ("web", PushTarget("webpush", "https://push.example/x", p256dh="short", auth=AUTH)),
        ("web", PushTarget("webpush", "https://push.example/x", p256dh=P256DH)),
        ("web", PushTarget("webpush", f"https://push.example/{'x' * 2048}", p256dh=P256DH, auth=AUTH)),
    ],
)
def test_a_push_address_that_cannot_be_used_is_refused(platform: str, push: PushTarget) -> None:
    with pytest.raises(Refused) as refused:
        read_push(platform, push)
    assert (refused.value.problem.code, refused.value.problem.status) == ("device.push", 422)
    assert not push.token or push.token not in str(refused.value)


def test_a_platform_that_nobody_knows_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        read_platform("toaster")
    assert (refused.value.problem.code, refused.value.problem.status) == ("device.platform", 422)
