"""The exchange's door: who may call, and what it takes for a call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
import pytest_asyncio

from tests.unit.registrar.office import NOW, PASSWORD, FakeFlow, NoNetwork
from trunkline.base.errors import CallFailed
from trunkline.base.ids import NodeIds
from trunkline.base.story import Story
from trunkline.call.call import Script
from trunkline.call.context import CallContext
from trunkline.call.party import Party
from trunkline.call.registry import Calls
from trunkline.call.target import Target
from trunkline.model.extension import Extension
from trunkline.model.tenant import Tenant
from trunkline.pbx import door as door_module
from trunkline.pbx import scripts
from trunkline.pbx.directory import Directory
from trunkline.pbx.door import ExchangeDoor, printable
from trunkline.pbx.route import MAX_DIALLED, Snapshot
from trunkline.proto.sip.challenge import parse_challenges
from trunkline.proto.sip.digest_client import Account, Attempts, DigestClient
from trunkline.proto.sip.message import Response
from trunkline.proto.sip.nonce import Nonces
from trunkline.ua.authentication import Authenticator
from trunkline.ua.endpoint import Endpoint

SDP = "v=0\r\n"


class FakeCall:
    """Stands in for ``Call``: notes what it was begun with."""

    made: list[FakeCall]

    def __init__(self, context: CallContext, tenant: str, caller: Party, callee: str, story: Story) -> None:
        self.id = f"call {len(self.made)}"
        self.tenant = tenant
        self.caller = caller
        self.callee = callee
        self.story = story
        self.script: Script | None = None
        self.hold = False
        self.made.append(self)

    def begin(self, incoming: Any, flow: Any, script: Script, *, hold: bool = False) -> None:
        self.script = script
        self.hold = hold
        incoming.respond(200)

    def tell(self, code: str, text: str) -> None:
        self.story.add(NOW, code, text)


class Exchange:
    """The door behind an endpoint, with phones 1001 (nowhere), 1002 (registered) and a second tenant."""

    def __init__(self) -> None:
        self.flow = FakeFlow()
        self.asked: list[str] = []
        self.refused: list[tuple[str, str]] = []
        self.endpoint = Endpoint(NoNetwork(), NodeIds(), asyncio.get_running_loop(), tag_key=b"k" * 16)
        directory = Directory([Tenant("t", "t", ("a.test",)), Tenant("o", "o", ("b.test",))], "a.test")
        for tenant, number in (("t", "1001"), ("t", "1002"), ("o", "2001")):
            directory.put(Extension(tenant, number, number, f"Name {number}", PASSWORD))
        self.calls = Calls()
        self.door = ExchangeDoor(
            directory,
            Snapshot(directory, lambda _tenant, number: 1 if number == "1002" else 0),
            Authenticator(Nonces(b"n" * 16), lambda: NOW),
            cast("CallContext", SimpleNamespace(endpoint=self.endpoint)),
            self.calls,
            self._targets,
            lambda source, story: self.refused.append((source, story.last_code)),
        )
        self.endpoint.set_doors([self.door])
        self._cseq = 0

    def _targets(self, tenant: str, entry: Any) -> list[Target]:
        self.asked.append(entry.number)
        return [Target(f"sip:{entry.number}@192.0.2.9")]

    def invite(
        self, uri: str = "sip:1002@a.test", extra: str = "Content-Type: application/sdp\r\n", body: str = SDP
    ) -> Response:
        """Send an INVITE; the last thing answered."""
        self._cseq += 1
        text = (
            f"INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.7:5062;branch=z9hG4bK{self._cseq};rport\r\n"
            f"From: <sip:1001@a.test>;tag=f\r\nTo: <{uri}>\r\nCall-ID: c1\r\nCSeq: {self._cseq} INVITE\r\n"
            f"Contact: <sip:1001@10.0.0.7>\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}"
        )
        self.endpoint.receive(text.encode(), self.flow)
        return self.flow.last

    def call(self, uri: str = "sip:1002@a.test", user: str = "1001", password: str = PASSWORD) -> Response:
        """INVITE, challenge, INVITE with the answer to it."""
        challenge = self.invite(uri)
        assert challenge.status == 401, challenge
        (answer,) = DigestClient(Account(user, password)).answer(
            parse_challenges(challenge.headers["WWW-Authenticate"]), "INVITE", uri, "c", Attempts()
        )
        return self.invite(uri, f"Content-Type: application/sdp\r\nAuthorization: {answer}\r\n")


@pytest_asyncio.fixture
async def exchange(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Exchange]:
    FakeCall.made = []
    monkeypatch.setattr(door_module, "Call", FakeCall)
    made = Exchange()
    yield made
    made.endpoint.close()


async def test_a_call_is_challenged_in_the_realm_of_the_tenant_that_is_called(exchange: Exchange) -> None:
    for domain in ("a.test", "b.test"):
        response = exchange.invite(f"sip:1002@{domain}")
        assert response.status == 401
        assert {one.realm for one in parse_challenges(response.headers["WWW-Authenticate"])} == {domain}
    assert FakeCall.made == []


@pytest.mark.parametrize("scheme", ["sip", "sips"])
async def test_the_caller_of_an_app_waits_for_the_disk_and_no_other(exchange: Exchange, scheme: str) -> None:
    """A sips URI rings no app, whatever the extension has."""
    assert exchange.call(f"{scheme}:1002@a.test").status == 200
    exchange.door.has_apps = lambda _tenant, number: number == "1002"
    assert exchange.call(f"{scheme}:1002@a.test").status == 200
    assert [call.hold for call in FakeCall.made] == [False, scheme == "sip"]


async def test_a_call_is_begun_as_decided_and_its_story_says_why(exchange: Exchange) -> None:
    assert exchange.call().status == 200
    (call,) = FakeCall.made
    assert (call.tenant, call.callee, call.caller.number, call.caller.name) == (
        "t",
        "1002",
        "1001",
        "Name 1001",
    )
    assert [step.code for step in call.story.steps] == [
        "auth.ok",
        "call.received",
        "route.extension",
        "route.contacts",
    ]
    assert exchange.asked == ["1002"]
    assert list(exchange.calls.active) == [call.id]


@pytest.mark.parametrize(
    ("dialled", "script", "code"),
    [
        ("9195", scripts.say_time, "route.service"),
        ("9196", scripts.echo, "route.service"),
        ("9197", scripts.tone, "route.service"),
        ("9198", scripts.talk_back, "route.service"),
    ],
)
async def test_a_service_is_a_script(exchange: Exchange, dialled: str, script: Script, code: str) -> None:
    exchange.call(f"sip:{dialled}@a.test")
    (call,) = FakeCall.made
    assert call.script is script
    assert call.story.last_code == code


@pytest.mark.parametrize(
    ("dialled", "status", "code"),
    [
        ("4711", 404, "route.unknown_number"),
        ("1001", 480, "route.not_registered"),
        ("2001", 404, "route.unknown_number"),
    ],
)
async def test_a_refusal_is_a_script_that_says_its_status(
    exchange: Exchange, dialled: str, status: int, code: str
) -> None:
    exchange.call(f"sip:{dialled}@a.test")
    (call,) = FakeCall.made
    assert call.story.last_code == code
    assert call.script is not None
    with pytest.raises(CallFailed) as failed:
        await call.script(cast("Any", call))
    assert (failed.value.status, failed.value.code) == (status, code)


@pytest.mark.rule("T-33")
async def test_a_user_of_another_tenant_may_not_call(exchange: Exchange) -> None:
    assert exchange.call("sip:1002@a.test", user="2001").status == 401
    assert exchange.call("sip:2001@b.test", user="1001").status == 401
    assert FakeCall.made == []


async def test_a_wrong_password_is_challenged_again_and_told_to_the_operator(exchange: Exchange) -> None:
    assert exchange.call(password="guess").status == 401
    assert exchange.refused == [(exchange.flow.remote[0], "auth.wrong")]
    assert FakeCall.made == []


async def test_a_domain_that_nobody_owns_is_404_without_a_challenge(exchange: Exchange) -> None:
    assert exchange.invite("sip:1002@nowhere.test").status == 404


@pytest.mark.rule("T-11")
async def test_a_draining_exchange_takes_no_new_calls(exchange: Exchange) -> None:
    exchange.endpoint.draining = True
    response = exchange.invite()
    assert (response.status, response.headers["Retry-After"]) == (503, "60")


@pytest.mark.rfc("3261", "21.4.13")
@pytest.mark.parametrize(
    ("extra", "header", "value"),
    [
        ("Content-Type: text/plain\r\n", "Accept", "application/sdp"),
        ("Content-Type: multipart/mixed;boundary=x\r\n", "Accept", "application/sdp"),
        ("Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n", "Accept-Encoding", "identity"),
    ],
)
async def test_a_body_that_we_cannot_read_is_415_with_what_we_can(
    exchange: Exchange, extra: str, header: str, value: str
) -> None:
    response = exchange.invite(extra=extra)
    assert (response.status, response.headers[header]) == (415, value)


@pytest.mark.parametrize(
    ("extra", "body"),
    [
        ("", ""),
        ("Content-Type: text/plain\r\n", ""),
        ("", SDP),
        ("Content-Type: Application/SDP ;charset=x\r\n", SDP),
        ("c: application/sdp\r\ne: identity\r\n", SDP),
    ],
)
async def test_a_body_that_is_sdp_or_nothing_is_taken(exchange: Exchange, extra: str, body: str) -> None:
    assert exchange.invite(extra=extra, body=body).status == 401


@pytest.mark.rfc("3261", "8.2.2.1")
@pytest.mark.parametrize("uri", ["tel:+4930123", "mailto:a@a.test", "unknown:x"])
async def test_a_scheme_that_is_not_sip_is_416(exchange: Exchange, uri: str) -> None:
    assert exchange.invite(uri).status == 416


@pytest.mark.rfc("3261", "8.2.2.3")
async def test_what_a_call_requires_and_we_do_not_support_is_420(exchange: Exchange) -> None:
    response = exchange.invite(extra="Require: 100rel, outbound, precondition\r\n")
    assert (response.status, response.headers["Unsupported"]) == (420, "outbound")


async def test_a_malformed_require_is_400(exchange: Exchange) -> None:
    assert exchange.invite(extra='Require: "x"\r\n').status == 400


async def test_a_hostile_number_reaches_story_and_call_in_printable_form(exchange: Exchange) -> None:
    exchange.call("sip:%1b%5b2J%0d%0aX@a.test")
    (call,) = FakeCall.made
    assert call.callee.isprintable()
    assert all(step.text.isprintable() for step in call.story.steps)
    assert call.story.last_code == "route.unknown_number"


@pytest.mark.parametrize(
    ("dialled", "shown"),
    [("1002", "1002"), ("Zoë", "Zoë"), ("a\r\nb", "a\\r\\nb"), ("\udcff", "\\udcff"), ("", "")],
)
def test_what_was_dialled_is_shown_as_it_is_where_it_can_be(dialled: str, shown: str) -> None:
    assert printable(dialled) == shown


def test_what_was_dialled_is_shown_up_to_a_bound() -> None:
    assert len(printable("1" * 60_000)) == MAX_DIALLED + 1
