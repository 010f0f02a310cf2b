"""Signed calls between two exchanges: one signs, the other checks, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.peering import open_to_peer
from tests.link.phones import Party
from tests.link.stage import EPOCH, HOST, Stage
from tests.link.virtual_time import virtual
from tests.peers.signers import NumberAuthority, block, code
from trunkline.base.errors import TransportError
from trunkline.call.identity import IdentityPolicy
from trunkline.call.party import Party as Caller
from trunkline.call.target import Target
from trunkline.call.verification import Mode
from trunkline.model.extension import Extension
from trunkline.pbx.peer_door import Peer
from trunkline.proto.sip.identity.diversion import Diversion
from trunkline.proto.sip.identity.passport import parse_token
from trunkline.proto.sip.identity.signed import parse_identities
from trunkline.proto.sip.message import Request
from trunkline.ua.stir import Certificates, Fetched, Ownership, StirSigner, StirVerifier, claim_of

URL = "https://certs.test/a.pem"
ALICE, BOB, CAROL = "+12025550100", "+12025550101", "+12025550102"
TRUSTED = IdentityPolicy(trusted=True)


class Scene:
    """A stage with a signer and a verifier; Bob's number is 1002 here and ``BOB`` outside."""

    def __init__(self, mode: Mode = Mode.REFUSE) -> None:
        self.stage = stage = Stage()
        self.authority = NumberAuthority(EPOCH)
        self.key = self.authority.issue(URL, [block("12025550100", 100)])
        self.signer = StirSigner(self.key, Ownership([ALICE]), stage.wall)
        self.verifier = StirVerifier(Certificates(self.authority.fetch, self.authority.anchors), stage.wall)
        self.carrier, self.bob = stage.party(), stage.party()
        stage.directory.put(Extension("t1", BOB, BOB, "", "a password"))
        stage.contacts[BOB] = [Target(f"sip:{BOB}@{self.bob.host}", label="Bob")]
        open_to_peer(stage, self.carrier, Peer("carrier", "t1", TRUSTED, mode), self.verifier)

    def signed(self, number: str = ALICE, to: str = BOB) -> str:
        caller = Caller(number, "carrier.test")
        target = Target(f"sip:{to}@{HOST}")
        return self.signer.lines(caller, number, target, (), lambda _code, _text: None)

    async def call(self, extra: str, status: int = 486, number: str = ALICE) -> Request | None:
        """What Bob, who is busy, sees of a call."""
        self.bob.refuse_with = 486
        from_ = f"<sip:{number}@carrier.test>"
        self.stage.dial(self.carrier, BOB, extra=extra, from_=from_)
        await self.carrier.until(f"failed {status}")
        await self.stage.settle()
        return self.bob.invites[-1] if self.bob.invites else None


@pytest.mark.rule("T-35")
@pytest.mark.rfc("8224", "6.2")
@virtual
async def test_a_call_that_is_signed_well_rings() -> None:
    scene = Scene(Mode.REQUIRE)
    assert await scene.call(scene.signed()) is not None
    assert "stir.passed" in scene.stage.story
    assert scene.authority.fetched == [URL]


@pytest.mark.rule("T-35")
@pytest.mark.rfc("8224", "6.2.2")
@pytest.mark.rfc("9410", "5")
@pytest.mark.parametrize(
    ("wrong", "status", "phrase"),
    [
        ("number", 438, "Invalid Identity Header"),
        ("url", 436, "Bad Identity Info"),
        ("certificate", 437, "Unsupported Credential"),
        ("time", 403, "Stale Date"),
        ("absent", 428, "Use Identity Header"),
    ],
)
@virtual
async def test_a_call_that_is_signed_badly_is_refused_with_the_reason(
    wrong: str, status: int, phrase: str
) -> None:
    scene = Scene(Mode.REQUIRE)
    lines = scene.signed("+12025550105" if wrong == "number" else ALICE)
    if wrong == "url":
        scene.authority.files.clear()
    elif wrong == "certificate":
        scene.verifier.certificates.anchors = NumberAuthority(EPOCH).anchors
    elif wrong == "time":
        await asyncio.sleep(90)
    assert await scene.call("" if wrong == "absent" else lines, status) is None
    answer = scene.stage.sent(HOST, f"SIP/2.0 {status} {phrase}")[0]
    assert f'\r\nReason: STIR;cause={status};text="{phrase}"\r\n'.encode() in answer
    assert scene.stage.over[0].code == "stir.refused"
    assert scene.stage.over[0].q850 == 21


@pytest.mark.rule("T-35")
@pytest.mark.parametrize(
    ("mode", "signed", "code"),
    [
        (Mode.MARK, "badly", "stir.failed"),
        (Mode.REFUSE, "", None),
        (Mode.OFF, "badly", None),
    ],
)
@virtual
async def test_a_lenient_policy_lets_the_call_go_on(mode: Mode, signed: str, code: str | None) -> None:
    scene = Scene(mode)
    assert await scene.call(scene.signed("+12025550105") if signed else "") is not None
    assert [step for step in scene.stage.story if step.startswith("stir.")] == ([code] if code else [])


@pytest.mark.rule("T-35")
@pytest.mark.parametrize(
    ("well", "verstat"), [(True, "TN-Validation-Passed"), (False, "TN-Validation-Failed")]
)
@virtual
async def test_a_trusted_peer_behind_us_learns_what_was_found(well: bool, verstat: str) -> None:
    scene = Scene(Mode.MARK)
    scene.stage.contacts[BOB][0].identity = IdentityPolicy(trusted=True, sign=False)
    lines = scene.signed() if well else scene.signed("+12025550105")
    invite = await scene.call(f"P-Asserted-Identity: <sip:{ALICE}@carrier.test>\r\n{lines}")
    assert invite is not None
    assert invite.headers["P-Asserted-Identity"] == f"<sip:{ALICE};verstat={verstat}@pbx.test>"


@pytest.mark.rule("T-35")
@virtual
async def test_a_peer_that_says_itself_what_was_found_is_believed_if_it_is_trusted() -> None:
    scene = Scene(Mode.OFF)
    scene.stage.contacts[BOB][0].identity = TRUSTED
    said = f"P-Asserted-Identity: <sip:{ALICE};verstat=TN-Validation-Failed@carrier.test>\r\n"
    invite = await scene.call(said)
    assert invite is not None
    assert ";verstat=TN-Validation-Failed@" in invite.headers["P-Asserted-Identity"]


@pytest.mark.rule("T-35")
@virtual
async def test_a_certificate_that_does_not_come_holds_a_call_up_for_seconds_only() -> None:
    scene = Scene(Mode.MARK)

    async def never(_url: str) -> Fetched:
        await asyncio.sleep(3600)
        raise TransportError("never")

    scene.verifier.certificates = Certificates(never, scene.authority.anchors)
    begun = scene.stage.loop.time()
    scene.bob.on_invite = lambda session: session.refuse(486)
    scene.stage.dial(scene.carrier, BOB, extra=scene.signed(), from_=f"<sip:{ALICE}@carrier.test>")
    await scene.bob.until("invited")
    assert 4.9 < scene.stage.loop.time() - begun < 5.5
    await scene.stage.settle()
    assert "stir.failed" in scene.stage.story


@pytest.mark.rule("T-35")
@virtual
async def test_a_caller_who_gives_up_meanwhile_leaves_nothing_behind() -> None:
    scene = Scene(Mode.MARK)
    asked = asyncio.Event()

    async def never(_url: str) -> Fetched:
        asked.set()
        await asyncio.sleep(3600)
        raise TransportError("never")

    scene.verifier.certificates = Certificates(never, scene.authority.anchors)
    scene.stage.dial(scene.carrier, BOB, extra=scene.signed(), from_=f"<sip:{ALICE}@carrier.test>")
    await asked.wait()
    scene.carrier.dialogue.hang_up()
    await scene.carrier.until("failed 487")
    await scene.stage.settle()
    assert not scene.bob.invites


# Two exchanges


def two_exchanges(sign: bool = True) -> tuple[Stage, Party, Party, NumberAuthority]:
    """Alice's exchange, which signs, the trunk's other end, and the authority of its number."""
    home = Stage()
    authority = NumberAuthority(EPOCH)
    key = authority.issue(URL, [code("1234")])
    home.context.signer = StirSigner(key, Ownership([ALICE]), home.wall)
    alice, trunk = home.party(), home.party()
    trunk.refuse_with = 486
    home.contacts["1002"] = [
        Target(
            f"sip:{BOB}@{trunk.host}",
            caller=f"<sip:{ALICE}@home.test>",
            callee=f"<sip:{BOB}@carrier.test>",
            identity=IdentityPolicy(sign=sign),
        )
    ]
    return home, alice, trunk, authority


@pytest.mark.rule("T-35")
@pytest.mark.rfc("8224", "6.1")
@pytest.mark.parametrize("sign", [True, False])
@virtual
async def test_calls_by_a_trunk_are_signed_unless_it_says_no(sign: bool) -> None:
    home, alice, trunk, _ = two_exchanges(sign)
    home.dial(alice, "1002")
    await alice.until("failed 486")
    await home.settle()
    invite = trunk.invites[0]
    assert ("Identity" in invite.headers) is sign
    assert ("stir.signed" in home.story) is sign
    if sign:
        assert "Date" in invite.headers


@pytest.mark.rule("T-35")
@virtual
async def test_what_one_exchange_signs_another_lets_ring() -> None:
    home, alice, trunk, authority = two_exchanges()
    home.dial(alice, "1002")
    await alice.until("failed 486")
    identity = trunk.invites[0].headers["Identity"]
    scene = Scene(Mode.REQUIRE)
    scene.bob.refuse_with = 486
    certificates = Certificates(authority.fetch, authority.anchors)
    scene.verifier.certificates = certificates
    scene.stage.dial(scene.carrier, BOB, extra=f"Identity: {identity}\r\n", from_=f"<sip:{ALICE}@home.test>")
    await scene.bob.until("invited")
    assert "stir.passed" in [step.code for step in scene.stage.calls.all[0].story.steps]
    await home.settle()
    await scene.stage.settle()


@pytest.mark.rule("T-35")
@virtual
async def test_a_call_between_our_phones_is_not_signed() -> None:
    stage = Stage()
    authority = NumberAuthority(EPOCH)
    stage.context.signer = StirSigner(authority.issue(URL, [code("1")]), Ownership(["*"]), stage.wall)
    alice, bob = stage.party(), stage.party()
    bob.refuse_with = 486
    stage.dial(alice, "1002")
    await alice.until("failed 486")
    await stage.settle()
    assert "Identity" not in bob.invites[0].headers


@pytest.mark.rule("T-35")
@virtual
async def test_who_stays_unknown_is_not_named_by_a_signature() -> None:
    home, alice, trunk, _ = two_exchanges()
    home.dial(alice, "1002", extra="Privacy: id\r\n")
    await alice.until("failed 486")
    await home.settle()
    assert "Identity" not in trunk.invites[0].headers
    assert "stir.not_signed" in home.story


@pytest.mark.rule("T-35")
@pytest.mark.rfc("8946", "4")
@virtual
async def test_a_signed_call_that_is_forwarded_carries_both_signatures() -> None:
    scene = Scene(Mode.REQUIRE)
    scene.stage.context.signer = scene.signer
    away = Diversion(f"sip:{BOB}@pbx.test", "unconditional")
    policy = IdentityPolicy(trusted=True)
    scene.stage.contacts[BOB] = [
        Target(f"sip:{CAROL}@{scene.bob.host}", identity=policy, diverted_by=(away,))
    ]
    lines = f"P-Asserted-Identity: <sip:{ALICE}@carrier.test>\r\n{scene.signed()}"
    invite = await scene.call(lines)
    assert invite is not None
    assert len(invite.values("Identity")) == 2
    assert "stir.diverted" in scene.stage.story
    scene.verifier.max_age_s = 3600
    verdict = await scene.verifier.verify(claim_of(invite, trusted=True))
    assert (verdict.verstat, verdict.attest, len(verdict.identities)) == ("TN-Validation-Passed", "A", 2)


@pytest.mark.rule("T-34")
@pytest.mark.rule("T-35")
@pytest.mark.rfc("3325", "7")
@pytest.mark.parametrize("trusted", [True, False])
@virtual
async def test_the_signature_of_who_stays_unknown_goes_to_trusted_peers_alone(trusted: bool) -> None:
    scene = Scene(Mode.REQUIRE)
    scene.stage.context.signer = scene.signer
    scene.stage.contacts[BOB][0].identity = IdentityPolicy(trusted=trusted)
    said = f"P-Asserted-Identity: <sip:{ALICE}@carrier.test>\r\nPrivacy: id\r\n"
    invite = await scene.call(said + scene.signed())
    assert invite is not None
    assert ("Identity" in invite.headers) is trusted


@pytest.mark.rule("T-34")
@pytest.mark.rule("T-35")
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("trusted", [True, False])
@virtual
async def test_no_signature_tells_of_a_private_diversion_but_to_trusted_peers(
    trusted: bool, signed: bool
) -> None:
    scene = Scene(Mode.MARK)
    scene.stage.context.signer = scene.signer
    away = Diversion(f"sip:{BOB}@pbx.test", "unconditional", private=True)
    policy = IdentityPolicy(trusted=trusted)
    scene.stage.contacts[BOB] = [
        Target(f"sip:{CAROL}@{scene.bob.host}", identity=policy, diverted_by=(away,))
    ]
    said = f"P-Asserted-Identity: <sip:{ALICE}@carrier.test>\r\n"
    invite = await scene.call(said + (scene.signed() if signed else ""))
    assert invite is not None
    tokens = [parse_token(each.token)[0] for each in parse_identities(invite.headers["Identity"])]
    named = {number for token in tokens if token for number in [*token.dest["tn"], *(token.div or ())]}
    assert (BOB.lstrip("+") in named) is trusted


@pytest.mark.rule("T-35")
@virtual
async def test_a_caller_whom_a_trunk_shows_as_another_is_signed_as_that_one() -> None:
    scene = Scene(Mode.REQUIRE)
    scene.stage.context.signer = scene.signer
    scene.stage.contacts[BOB] = [
        Target(f"sip:{BOB}@{scene.bob.host}", caller=f"<sip:{CAROL}@pbx.test>", identity=IdentityPolicy())
    ]
    invite = await scene.call(scene.signed())
    assert invite is not None
    token, _ = parse_token(parse_identities(invite.headers["Identity"])[0].token)
    assert token is not None
    assert (token.orig, token.attest) == (("tn", CAROL.lstrip("+")), "C")


@pytest.mark.rule("T-35")
@pytest.mark.rfc("8224", "6.2")
@virtual
async def test_a_signature_of_a_kind_that_nobody_understands_is_as_none() -> None:
    scene = Scene(Mode.REFUSE)
    assert await scene.call(f"Identity: a.b.c;info=<{URL}>;ppt=rph\r\n") is not None
    assert "stir.absent" in scene.stage.story
