"""Who is told who calls: phones, peers and trusted peers."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.peering import open_to_peer
from tests.link.phones import Party
from tests.link.stage import DOMAIN, HOST, Stage
from tests.link.virtual_time import virtual
from trunkline.call.identity import History, IdentityPolicy, Source
from trunkline.call.target import Target
from trunkline.pbx.peer_door import Peer
from trunkline.proto.sip.identity.diversion import MAX_DIVERSIONS, Diversion
from trunkline.proto.sip.message import Request

TRUSTED = IdentityPolicy(trusted=True)
ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'
ALICE = f'"Number 1001" <sip:1001@{DOMAIN}>'
SECRET = (
    "P-Asserted-Identity: <sip:+4930999@carrier.test>\r\nRemote-Party-ID: <sip:+4930999@carrier.test>\r\n"
)


def peer_stage(policy: IdentityPolicy = TRUSTED) -> tuple[Stage, Party, Party]:
    """A carrier, whose calls are known by its address, and Bob at 1002."""
    stage = Stage()
    carrier, bob = stage.party(), stage.party()
    open_to_peer(stage, carrier, Peer("carrier", "t1", policy))
    return stage, carrier, bob


def to_peer(policy: IdentityPolicy, **rest: object) -> tuple[Stage, Party, Party]:
    """Alice at 1001, and a peer that 1002 leads to."""
    stage = Stage()
    alice, peer = stage.party(), stage.party()
    peer.refuse_with = 486
    stage.contacts["1002"] = [Target(f"sip:1002@{peer.host}", identity=policy, **rest)]  # type: ignore[arg-type]
    return stage, alice, peer


async def refused(
    stage: Stage, caller: Party, callee: Party, extra: str = "", from_: str = "<sip:alice@a.test>"
) -> Request:
    """The INVITE that a callee sees, who refuses; the exchange has forgotten it then."""
    callee.refuse_with = 486
    stage.dial(caller, "1002", extra=extra, from_=from_)
    await caller.until("failed 486")
    await stage.settle()
    return callee.invites[-1]


def from_of(request: Request) -> str:
    return request.headers["From"].partition(";tag=")[0]


IDENTIFYING = (
    "P-Asserted-Identity",
    "P-Preferred-Identity",
    "Remote-Party-ID",
    "Privacy",
    "Diversion",
    "History-Info",
    "Identity",
    "P-Charge-Info",
    "Authorization",
    "Proxy-Authorization",
)


@pytest.mark.rule("T-33")
@pytest.mark.rule("T-34")
@pytest.mark.rfc("3325", "5")
@virtual
async def test_nothing_that_a_phone_says_of_itself_is_believed_or_passed_on() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    said = (
        f"{SECRET}P-Preferred-Identity: <sip:boss@a.test>\r\nDiversion: <sip:boss@a.test>\r\n"
        "History-Info: <sip:boss@a.test>;index=1\r\nIdentity: a.b.c;info=<https://a.test/>\r\n"
        'P-Charge-Info: <sip:boss@a.test>\r\nProxy-Authorization: Digest username="boss"\r\nPrivacy: none\r\n'
    )
    invite = await refused(stage, alice, bob, said, from_="<sip:boss@a.test>")
    assert from_of(invite) == ALICE
    assert not [name for name in IDENTIFYING if name in invite.headers]
    assert any(b"uthorization: Digest" in sent for sent in stage.sent(alice.host, "INVITE"))


@pytest.mark.rule("T-33")
@virtual
async def test_credentials_stay_on_the_leg_that_they_are_for() -> None:
    stage, alice, peer = to_peer(TRUSTED)
    await refused(stage, alice, peer)
    sent = b"".join(stage.sent(HOST, "", peer.host))
    assert b"uthorization" not in sent
    assert b"Digest" not in sent


@pytest.mark.rule("T-34")
@pytest.mark.rfc("3323", "4.2")
@pytest.mark.parametrize(
    ("extra", "from_"),
    [
        ("Privacy: id\r\n", "<sip:alice@a.test>"),
        ("Privacy: user;critical\r\n", "<sip:alice@a.test>"),
        ("", ANONYMOUS),
        ("", '"Anonymous" <sip:anonymous@pbx.test>'),
    ],
)
@virtual
async def test_a_phone_that_asks_for_it_is_unknown_to_its_callee_but_not_to_us(
    extra: str, from_: str
) -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    invite = await refused(stage, alice, bob, extra, from_=from_)
    assert from_of(invite) == ANONYMOUS
    assert b"1001" not in stage.sent(HOST, "INVITE", bob.host)[0]
    assert {record.caller for record in stage.records} == {"1001"}
    assert "identity.anonymous" in stage.story


@pytest.mark.rule("T-34")
@pytest.mark.rfc("3323", "5.1")
@virtual
async def test_a_critical_wish_that_cannot_be_met_ends_the_call() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    stage.dial(alice, "1002", extra="Privacy: invisible;critical\r\n")
    await alice.until("failed 500")
    assert not bob.invites
    await asyncio.sleep(100)


@pytest.mark.rule("T-34")
@pytest.mark.rfc("3325", "5")
@virtual
async def test_a_trusted_peer_is_told_who_calls() -> None:
    stage, alice, peer = to_peer(IdentityPolicy(trusted=True, asserts=(Source.PAI, Source.RPID)))
    invite = await refused(stage, alice, peer)
    assert from_of(invite) == ALICE
    assert invite.headers["P-Asserted-Identity"] == ALICE
    assert invite.headers["Remote-Party-ID"] == f"{ALICE};party=calling;privacy=off;screen=yes"
    assert "Privacy" not in invite.headers


@pytest.mark.rule("T-34")
@pytest.mark.rfc("3325", "7")
@pytest.mark.parametrize("trusted", [True, False])
@virtual
async def test_who_stays_unknown_is_known_to_trusted_peers_alone(trusted: bool) -> None:
    stage, alice, peer = to_peer(IdentityPolicy(trusted=trusted))
    invite = await refused(stage, alice, peer, "Privacy: id\r\n")
    assert from_of(invite) == ANONYMOUS
    assert invite.headers["Privacy"] == "id"
    assert ("P-Asserted-Identity" in invite.headers) is trusted
    assert (b"1001" in stage.sent(HOST, "INVITE", peer.host)[0]) is trusted


@pytest.mark.rule("T-34")
@pytest.mark.parametrize(
    ("policy", "extra", "number", "shown"),
    [
        (TRUSTED, SECRET, "+4930999", "<sip:+4930999@pbx.test>"),
        (TRUSTED, "", "+4930111", '"Carl" <sip:+4930111@pbx.test>'),
        (IdentityPolicy(trusted=False), SECRET, "+4930111", '"Carl" <sip:+4930111@pbx.test>'),
        (
            IdentityPolicy(trusted=True, identity=(Source.FROM,)),
            SECRET,
            "+4930111",
            '"Carl" <sip:+4930111@pbx.test>',
        ),
        (
            IdentityPolicy(trusted=True, identity=(Source.RPID, Source.PAI)),
            'P-Asserted-Identity: <sip:1@a>\r\nRemote-Party-ID: "Jo" <tel:+49-30-5>;privacy=off\r\n',
            "+49305",
            '"Jo" <sip:+49305@pbx.test>',
        ),
        (TRUSTED, 'P-Asserted-Identity: "x <sip:a@b\r\n', "+4930111", '"Carl" <sip:+4930111@pbx.test>'),
        (
            TRUSTED,
            "P-Asserted-Identity: <sip:reception@a.test>, <tel:+4930777>\r\n",
            "+4930777",
            "<sip:+4930777@pbx.test>",
        ),
        (TRUSTED, f"{SECRET}Privacy: id\r\n", "+4930999", ANONYMOUS),
        (TRUSTED, "Remote-Party-ID: <sip:+4930999@a>;privacy=full\r\n", "+4930999", ANONYMOUS),
    ],
)
@virtual
async def test_a_peers_caller_is_whom_its_policy_says(
    policy: IdentityPolicy, extra: str, number: str, shown: str
) -> None:
    stage, carrier, bob = peer_stage(policy)
    invite = await refused(stage, carrier, bob, extra, from_='"Carl" <sip:+4930111@carrier.test>')
    assert from_of(invite) == shown
    assert {record.caller for record in stage.records} == {number}
    assert not [name for name in IDENTIFYING if name in invite.headers]
    assert ("identity.malformed" in stage.story) == ('"x <' in extra)


@virtual
async def test_an_anonymous_peer_caller_is_on_record_as_such() -> None:
    stage, carrier, bob = peer_stage(IdentityPolicy())
    invite = await refused(stage, carrier, bob, from_=ANONYMOUS)
    assert from_of(invite) == ANONYMOUS
    assert stage.over[0].caller == "anonymous"


@pytest.mark.rule("T-34")
@pytest.mark.rfc("8496", "5")
@pytest.mark.parametrize("trusted", [True, False])
@virtual
async def test_who_pays_goes_from_trusted_to_trusted_alone(trusted: bool) -> None:
    stage, carrier, peer = peer_stage()
    stage.contacts["1002"] = [Target(f"sip:1002@{peer.host}", identity=IdentityPolicy(trusted=trusted))]
    invite = await refused(stage, carrier, peer, f"{SECRET}P-Charge-Info: <sip:+4930@a.test>\r\n")
    assert ("P-Charge-Info" in invite.headers) is trusted


@pytest.mark.rule("T-34")
@pytest.mark.rfc("6432", "4")
@virtual
async def test_a_peer_is_told_the_cause_of_a_refusal_though_the_phone_names_none() -> None:
    stage, carrier, bob = peer_stage()
    await refused(stage, carrier, bob)
    answer = stage.sent(HOST, "SIP/2.0 486", carrier.host)[0]
    assert b'\r\nReason: Q.850;cause=17;text="user busy"\r\n' in answer


DIVERTED = "Diversion: <sip:+4930222@a.test>;reason=no-answer;counter=1;privacy=off\r\n"
HISTORY = (
    "History-Info: <sip:+4930222@a.test>;index=1\r\n"
    "History-Info: <sip:1002@pbx.test;cause=408>;index=1.1;mp=1\r\n"
)
BOTH = (History.DIVERSION, History.HISTORY_INFO)


@pytest.mark.rule("T-34")
@pytest.mark.rfc("7544", "7.1")
@pytest.mark.parametrize("came", [DIVERTED, HISTORY, DIVERTED + HISTORY])
@pytest.mark.parametrize("history", [BOTH[:1], BOTH[1:], BOTH, ()])
@virtual
async def test_whom_a_call_was_for_is_told_in_the_header_that_a_peer_reads(
    came: str, history: tuple[History, ...]
) -> None:
    stage, carrier, peer = peer_stage()
    policy = IdentityPolicy(trusted=True, history=history)
    stage.contacts["1002"] = [Target(f"sip:1002@{peer.host}", identity=policy)]
    invite = await refused(stage, carrier, peer, came)
    told = invite.headers
    assert ("Diversion" in told) == (History.DIVERSION in history)
    assert ("History-Info" in told) == (History.HISTORY_INFO in history)
    if "Diversion" in told:
        assert told["Diversion"] == DIVERTED.partition(": ")[2].strip()
    if "History-Info" in told:
        entries = "<sip:+4930222@a.test>;index=1", f"<sip:1002@{peer.host};cause=408>;index=1.1;mp=1"
        assert told["History-Info"] == "\n".join(entries)


@pytest.mark.rule("T-34")
@pytest.mark.rfc("7044", "10.1.2")
@virtual
async def test_a_private_diversion_is_for_trusted_peers_alone() -> None:
    stage, carrier, bob = peer_stage()
    hidden = DIVERTED.replace("privacy=off", "privacy=full")
    invite = await refused(stage, carrier, bob, hidden + "Diversion: <sip:+4930333@a.test>;reason=away\r\n")
    assert "+4930333" in invite.headers["Diversion"]
    assert b"+4930222" not in stage.sent(HOST, "INVITE", bob.host)[0]


@pytest.mark.rule("T-34")
@pytest.mark.rfc("7044", "10.1.2")
@pytest.mark.parametrize("came", [DIVERTED, HISTORY])
@pytest.mark.parametrize("wish", ["history", "header"])
@virtual
async def test_a_call_may_ask_that_nobody_untrusted_learns_whom_it_was_for(came: str, wish: str) -> None:
    stage, carrier, bob = peer_stage()
    invite = await refused(stage, carrier, bob, f"{came}Privacy: {wish}\r\n")
    assert b"+4930222" not in stage.sent(HOST, "INVITE", bob.host)[0]
    assert from_of(invite) != ANONYMOUS
    stage, carrier, peer = peer_stage()
    stage.contacts["1002"] = [Target(f"sip:1002@{peer.host}", identity=TRUSTED)]
    invite = await refused(stage, carrier, peer, f"{came}Privacy: {wish}\r\n")
    assert invite.headers["Diversion"].endswith("privacy=full")


@pytest.mark.rule("T-34")
@virtual
async def test_a_call_that_is_diverted_here_says_so() -> None:
    away = Diversion("sip:1003@pbx.test", "unconditional")
    stage, alice, peer = to_peer(IdentityPolicy(history=BOTH), diverted_by=(away,))
    invite = await refused(stage, alice, peer)
    assert invite.headers["Diversion"] == "<sip:1003@pbx.test>;reason=unconditional;counter=1;privacy=off"
    assert invite.headers["History-Info"].endswith(f"<sip:1002@{peer.host};cause=302>;index=1.1;mp=1")


@pytest.mark.rule("T-34")
@pytest.mark.parametrize("times", [MAX_DIVERSIONS, MAX_DIVERSIONS - 1])
@virtual
async def test_a_call_that_is_diverted_without_end_is_a_loop(times: int) -> None:
    stage, carrier, bob = peer_stage()
    stage.contacts["1002"] = [
        Target(f"sip:1002@{bob.host}", identity=TRUSTED, diverted_by=(Diversion("sip:1003@pbx.test"),))
    ]
    bob.refuse_with = 486
    stage.dial(carrier, "1002", extra=f"Diversion: <sip:b@a.test>;counter={times}\r\n")
    await carrier.until("failed 482" if times == MAX_DIVERSIONS else "failed 486")
    await stage.settle()
    assert (stage.over[0].code == "call.diverted_too_often") == (times == MAX_DIVERSIONS)
