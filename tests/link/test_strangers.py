"""What strangers learn: nothing about users, nothing about us, and less with each attempt. In virtual time."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.link.memory_network import MemoryNetwork
from tests.link.stage import DOMAIN, HOST, PASSWORD, Stage
from tests.link.virtual_time import virtual
from trunkline.net.fence import Fence, FencePolicy
from trunkline.net.fence.penalties import Scale
from trunkline.proto.sip.challenge import parse_challenges
from trunkline.proto.sip.digest import digest_response, ha1
from trunkline.proto.sip.message import Response, parse_message
from trunkline.registrar.door import RegistrarDoor
from trunkline.registrar.location import Location
from trunkline.registrar.policy import RegistrarPolicy

SCALE = Scale(attempts=3, window_s=600, first_s=60, longest_s=240)
STRANGERS = 8


class Journal:
    """Keeps everything at once."""

    def new(self, _binding: object) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    gone = new

    def refresh(self, _binding: object) -> None:
        """Nothing."""


class Guarded(Stage):
    """The stage behind a fence, with a registrar; 1001 is there, 1999 is not."""

    def __init__(self) -> None:
        super().__init__()
        self.fence = Fence(FencePolicy(scale=SCALE, strangers=STRANGERS))
        self.endpoint.fence = self.door.authenticator.fence = self.fence
        registrar = RegistrarDoor(
            self.directory, Location(), Journal(), self.door.authenticator, RegistrarPolicy(),
            wall=self.wall, spawn=self.context.spawn,
        )  # fmt: skip
        self.endpoint.set_doors([registrar, self.door])
        self.extension("1001", "sip:1001@10.0.0.1")


class Stranger:
    """A raw socket: sends requests of any method, with or without credentials, and keeps what comes back."""

    def __init__(self, network: MemoryNetwork, host: str = "10.0.0.66", port: int = 5060) -> None:
        self.node = network.node(host, port)
        self.node.receive = lambda data, _flow: self.heard.append(data)
        self.heard: list[bytes] = []
        self._count = 0

    async def ask(
        self, method: str, user: str, authorization: str = "", *, uri: str = "", extra: str = ""
    ) -> bytes:
        """The answer, or nothing when none comes within a second."""
        self._count += 1
        host = self.node.listener.host
        if not uri:
            uri = f"sip:{DOMAIN}" if method == "REGISTER" else f"sip:{user}@{DOMAIN}"
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:5060;branch=z9hG4bKs{self._count}x{id(self)};rport",
            f"From: <sip:{user}@{DOMAIN}>;tag=f",
            f"To: <sip:{user}@{DOMAIN}>",
            f"Call-ID: c{id(self)}",
            f"CSeq: {self._count} {method}",
            "Max-Forwards: 70",
            f"Contact: <sip:{user}@{host}>",
            *([f"Authorization: {authorization}"] if authorization else []),
        ]
        before = len(self.heard)
        data = "\r\n".join(lines) + f"\r\n{extra}Content-Length: 0\r\n\r\n"
        self.node.flow_to("UDP", HOST, 5060).send(data.encode())
        await asyncio.sleep(1)
        return self.heard[-1] if len(self.heard) > before else b""

    async def prove(self, method: str, user: str, password: str) -> bytes:
        """Ask, and answer the challenge; nothing when there is none."""
        challenge = await self.ask(method, user)
        if not challenge:
            return b""
        return await self.ask(method, user, answer(challenge, method, user, password))


def answer(challenge: bytes, method: str, user: str, password: str) -> str:
    response = parse_message(challenge)
    assert isinstance(response, Response)
    nonce = parse_challenges(response.headers["WWW-Authenticate"])[0].nonce
    uri = f"sip:{DOMAIN}"
    digest = digest_response(
        "MD5", ha1(user, DOMAIN, password, "MD5"), nonce, method, uri, qop="auth", nc="00000001", cnonce="c"
    )
    return (
        f'Digest username="{user}", realm="{DOMAIN}", nonce="{nonce}", uri="{uri}", response="{digest}", '
        f'algorithm=MD5, cnonce="c", nc=00000001, qop=auth'
    )


def bare(data: bytes, user: str) -> bytes:
    """An answer without what is different each time, and without the name that was asked for."""
    data = re.sub(rb'nonce="[0-9a-f]+"|tag=[0-9a-f]{16}|branch=\w+|CSeq: \d+|Call-ID: \w+', b"", data)
    return re.sub(rb"10\.0\.0\.\d+", b"HOST", data.replace(user.encode(), b"USER"))


METHODS = (
    "REGISTER",
    "INVITE",
    "OPTIONS",
    "SUBSCRIBE",
    "MESSAGE",
    "PUBLISH",
    "REFER",
    "INFO",
    "BYE",
    "CANCEL",
)


@pytest.mark.rule("T-32")
@pytest.mark.parametrize("method", METHODS)
@virtual
async def test_who_exists_and_who_does_not_are_answered_with_the_same_bytes(method: str) -> None:
    stage = Guarded()
    asked = {}
    for user, host in (("1001", "10.0.0.66"), ("1999", "10.0.0.67")):
        stranger = Stranger(stage.network, host)
        first = await stranger.ask(method, user)
        second = await stranger.prove(method, user, "guess") if b"401 " in first else b""
        asked[user] = [bare(data, user) for data in (first, second)]
    assert asked["1001"] == asked["1999"]
    assert asked["1001"][0]
    assert (b" 401 " in asked["1001"][1]) is (method in {"REGISTER", "INVITE"})


@pytest.mark.parametrize("method", METHODS)
@virtual
async def test_nobody_is_told_what_program_answers(method: str) -> None:
    stage = Guarded()
    said = await Stranger(stage.network).ask(method, "1001")
    assert b"\r\nServer:" not in said
    assert b"\r\nUser-Agent:" not in said
    assert b"runkline" not in said


@pytest.mark.rule("T-32")
@virtual
async def test_guesses_end_in_silence_and_unknown_users_cost_the_same() -> None:
    for user in ("1001", "1999"):
        stage = Guarded()
        stranger = Stranger(stage.network)
        answers = [bool(await stranger.prove("REGISTER", user, f"guess {number}")) for number in range(5)]
        assert answers == [True, True, False, False, False]
        assert list(stage.fence.shut) == ["10.0.0.66"]


@pytest.mark.rule("T-32")
@virtual
async def test_the_right_password_gets_in_while_others_guess_at_the_name() -> None:
    stage = Guarded()
    for number in range(6):
        guesser = Stranger(stage.network, f"10.1.0.{number}")
        for guess in range(3):
            await guesser.prove("REGISTER", "1001", f"guess {guess}")
    assert len(stage.fence.shut) == 6
    assert stage.fence.counters.attempts <= 3 + 5, "once the name is hunted, one guess for each source"
    owner = Stranger(stage.network, "10.2.0.1")
    assert b" 200 " in await owner.prove("REGISTER", "1001", PASSWORD)


@virtual
async def test_behind_one_address_the_right_phone_goes_on_from_any_port() -> None:
    stage = Guarded()
    phone = Stranger(stage.network, port=40_001)
    assert b" 200 " in await phone.prove("REGISTER", "1001", PASSWORD)
    wrong = Stranger(stage.network, port=40_002)
    for guess in range(4):
        await wrong.prove("REGISTER", "1999", f"guess {guess}")
    assert stage.fence.shut
    assert await wrong.ask("REGISTER", "1999") == b""
    assert await wrong.ask("OPTIONS", "1999") == b""
    assert b" 200 " in await phone.prove("REGISTER", "1001", PASSWORD)
    assert b" 200 " in await phone.ask("OPTIONS", "1001")
    moved = Stranger(stage.network, port=40_003)
    assert b" 200 " in await moved.prove("REGISTER", "1001", PASSWORD)


@pytest.mark.rule("T-32")
@virtual
async def test_a_nonce_of_another_address_is_stale_whatever_the_password() -> None:
    stage = Guarded()
    here, there = Stranger(stage.network, "10.0.0.66"), Stranger(stage.network, "10.0.0.67")
    for password in (PASSWORD, "guess"):
        challenge = await here.ask("REGISTER", "1001")
        said = await there.ask("REGISTER", "1001", answer(challenge, "REGISTER", "1001", password))
        assert b"stale=true" in said
    assert stage.fence.counters.attempts == 0


@pytest.mark.parametrize("method", ["REGISTER", "INVITE", "OPTIONS", "PUBLISH", "CANCEL"])
@virtual
async def test_who_never_proves_anything_is_answered_only_so_often(method: str) -> None:
    stage = Guarded()
    stranger = Stranger(stage.network)
    for number in range(40):
        stage.network.loop.create_task(stranger.ask(method, f"{number}"))
    await asyncio.sleep(2)
    assert len(stranger.heard) == STRANGERS
    assert not stage.fence.shut, "the address may be forged"
    await asyncio.sleep(10)
    assert await stranger.ask(method, "1")


def forged_answer(stage: Guarded, victim: str, number: int, call_id: str = "") -> bytes:
    """A 200 to an INVITE that looks like one of ours."""
    lines = [
        "SIP/2.0 200 OK",
        f"Via: SIP/2.0/UDP {HOST}:5060;branch=z9hG4bK{stage.endpoint.ids.prefix}{number:016x};rport",
        f"From: <sip:1001@{DOMAIN}>;tag={stage.endpoint.ids.prefix}{number:016x}",
        f"To: <sip:1002@{DOMAIN}>;tag=t",
        f"Call-ID: {call_id or f'{stage.endpoint.ids.prefix}{number:028x}'}",
        "CSeq: 1 INVITE",
        f"Contact: <sip:x@{victim}>",
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.rfc("3261", "13.2.2.4")
@virtual
async def test_a_forged_answer_has_nothing_sent_to_whom_it_names() -> None:
    """The address of a datagram may be forged: an ACK and eleven BYEs for each would be a weapon."""
    stage = Guarded()
    victim = Stranger(stage.network)
    flow = victim.node.flow_to("UDP", HOST, 5060)
    for number in range(50):
        flow.send(forged_answer(stage, "10.0.0.66", number))
    await asyncio.sleep(60)
    assert victim.heard == []
    # Who has seen a Call-ID of ours, because we called him, is answered like any stranger: only so often.
    ours = stage.endpoint.ids.call_id()
    for number in range(50):
        flow.send(forged_answer(stage, "10.0.0.66", number, ours))
    await asyncio.sleep(60)
    assert sum(data.startswith(b"ACK ") for data in victim.heard) == STRANGERS
    assert not stage.endpoint.layer.clients


@virtual
async def test_a_call_that_is_up_ends_in_order_though_its_address_is_banned() -> None:
    stage = Guarded()
    alice, bob = stage.party(), stage.party()
    await stage.connect(alice, bob)
    guesser = Stranger(stage.network, alice.host, 40_000)
    for guess in range(4):
        await guesser.prove("REGISTER", "1999", f"guess {guess}")
    assert stage.fence.shut
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await stage.settle()
