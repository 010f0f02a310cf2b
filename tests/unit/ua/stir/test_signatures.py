"""Calls signed by one and checked by another, with an authority of the tests' own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from email.utils import formatdate

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.peers.signers import NumberAuthority, block, code, one
from trunkline.call.party import Party
from trunkline.call.target import Target
from trunkline.proto.sip.identity.diversion import Diversion
from trunkline.proto.sip.identity.passport import Passport, parse_token
from trunkline.proto.sip.identity.signed import Identity, parse_identities
from trunkline.proto.sip.message import Request
from trunkline.ua.stir import (
    Certificates,
    Fetched,
    Ownership,
    SigningKey,
    StirSigner,
    StirVerifier,
    Verdict,
    claim_of,
)

NOW = 1_790_000_000.0
URL = "https://certs.test/a.pem"
ALICE, BOB, CAROL, DAVE = "12025550100", "12025550101", "12025550102", "12025550103"
PASSED, FAILED, NONE = "TN-Validation-Passed", "TN-Validation-Failed", "No-TN-Validation"


class Scene:
    """A signer with a certificate for Alice's block, and a verifier that trusts its authority."""

    def __init__(
        self, entries: Sequence[bytes] | None = (block("12025550100", 100),), **issue: object
    ) -> None:
        self.now = NOW
        self.authority = NumberAuthority(NOW)
        self.key = self.authority.issue(URL, entries, **issue)  # type: ignore[arg-type]
        self.ownership = Ownership([f"+{ALICE}", "+4930*"])
        self.signer = StirSigner(self.key, self.ownership, lambda: self.now)
        self.verifier = self.make_verifier(self.authority)
        self.told: list[str] = []

    def make_verifier(self, authority: NumberAuthority, **rest: float) -> StirVerifier:
        return StirVerifier(Certificates(self.authority.fetch, authority.anchors), lambda: self.now, **rest)

    def lines(self, number: str = f"+{ALICE}", to: str = BOB, **rest: object) -> str:
        caller = Party(number, "a.test")
        caller.passports = rest.pop("passports", ())  # type: ignore[assignment]
        target = Target(f"sip:+{to}@b.test")
        diversions: tuple[Diversion, ...] = rest.pop("diversions", ())  # type: ignore[assignment]
        return self.signer.lines(
            caller, number, target, diversions, lambda code, _text: self.told.append(code)
        )

    def invite(self, lines: str, caller: str = ALICE, callee: str = BOB, uri: str = "") -> Request:
        headers = {"From": f"<sip:+{caller}@a.test>;tag=1", "To": f"<sip:+{callee}@b.test>"}
        for line in lines.splitlines():
            name, _, value = line.partition(": ")
            headers[name] = f"{headers[name]}\n{value}" if name in headers else value
        return Request("INVITE", uri or f"sip:+{callee}@b.test", headers)

    def judge(self, request: Request, verifier: StirVerifier | None = None) -> Verdict:
        claim = claim_of(request, trusted=False)
        return asyncio.run((verifier or self.verifier).verify(claim))


def full(key: SigningKey, passport: Passport) -> str:
    return f"Identity: {Identity(key.sign(passport), key.x5u, ppt=passport.ppt)}\r\n"


@pytest.mark.rfc("8224", "6.1")
@pytest.mark.rfc("8588", "5")
@pytest.mark.rule("T-35")
def test_what_one_signs_the_other_believes() -> None:
    scene = Scene()
    verdict = scene.judge(scene.invite(scene.lines()))
    assert verdict.verstat == PASSED
    assert (verdict.number, verdict.attest, verdict.status) == (ALICE, "A", 0)
    assert len(verdict.origid) == 36
    assert scene.told == ["stir.signed"]


@pytest.mark.rule("T-35")
@pytest.mark.parametrize(
    ("number", "unknown", "attest"),
    [
        (f"+{ALICE}", "C", "A"),
        ("+4930123", "C", "A"),
        ("+4931123", "C", "C"),
        ("+4931123", "B", "B"),
        ("+4931123", "", None),
        ("1001", "C", None),
    ],
)
def test_the_attestation_says_whether_the_number_is_ours(
    number: str, unknown: str, attest: str | None
) -> None:
    scene = Scene()
    scene.ownership.unknown = unknown  # type: ignore[assignment]
    lines = scene.lines(number)
    if attest is None:
        assert lines == ""
        assert scene.told == ["stir.not_signed"]
    else:
        value = lines.splitlines()[-1].partition(": ")[2]
        passport, _ = parse_token(parse_identities(value)[0].token)
        assert passport is not None
        assert passport.attest == attest


@pytest.mark.rfc("8224", "6.2.3")
@pytest.mark.rule("T-35")
@pytest.mark.parametrize(("caller", "callee"), [(CAROL, BOB), (ALICE, CAROL)])
def test_a_signature_for_another_caller_or_callee_is_worth_nothing(caller: str, callee: str) -> None:
    scene = Scene()
    verdict = scene.judge(scene.invite(scene.lines(), caller, callee))
    assert (verdict.verstat, verdict.status) == (FAILED, 438)


@pytest.mark.rfc("8224", "6.2.2")
@pytest.mark.rule("T-35")
def test_a_claim_that_was_changed_is_found_out() -> None:
    scene = Scene()
    read, _ = parse_token(parse_identities(scene.invite(scene.lines()).headers["Identity"])[0].token)
    assert read is not None
    signed = scene.key.sign(read)
    better = replace(read, attest="A", origid="forged", payload_text="")
    forged = f"{better.header()}.{better.payload()}.{signed.rpartition('.')[2]}"
    verdict = scene.judge(scene.invite(f"Identity: {Identity(forged, URL, ppt='shaken')}\r\n"))
    assert (verdict.verstat, verdict.status) == (FAILED, 438)


@pytest.mark.rfc("8224", "6.2.2")
@pytest.mark.rule("T-35")
@pytest.mark.parametrize(("later", "status"), [(59, 0), (-59, 0), (61, 403), (-61, 403)])
def test_a_replay_is_stale_after_a_minute(later: float, status: int) -> None:
    scene = Scene()
    request = scene.invite(scene.lines())
    scene.now += later
    assert scene.judge(request).status == status


@pytest.mark.rule("T-35")
@pytest.mark.parametrize(("skew", "status"), [(None, 0), (60.0, 403), (600.0, 0)])
def test_a_date_that_is_off_matters_only_where_somebody_asks(skew: float | None, status: int) -> None:
    scene = Scene()
    request = scene.invite(scene.lines())
    request.headers["Date"] = formatdate(NOW - 300, usegmt=True)
    verifier = scene.make_verifier(scene.authority, **({} if skew is None else {"date_skew_s": skew}))
    assert scene.judge(request, verifier).status == status


@pytest.mark.rfc("8226", "9")
@pytest.mark.rule("T-35")
@pytest.mark.parametrize(
    ("entries", "status"),
    [
        ([code("1234")], 0),
        ([one(ALICE)], 0),
        ([one(BOB)], 437),
        ([block("12025550000", 100)], 437),
        ([], 437),
        (None, 437),
    ],
)
def test_a_certificate_signs_only_for_its_numbers(entries: list[bytes] | None, status: int) -> None:
    scene = Scene(entries)
    assert scene.judge(scene.invite(scene.lines())).status == status


@pytest.mark.rfc("8224", "6.2.2")
@pytest.mark.rule("T-35")
@pytest.mark.parametrize(
    ("issue", "status"),
    [
        ({"above": "ca"}, 0),
        ({"above": "no-ca"}, 437),
        ({"days": (-30, -1)}, 437),
        ({"days": (1, 30)}, 437),
        ({"curve": ec.SECP384R1}, 437),
    ],
)
def test_a_certificate_is_believed_through_its_chain_and_in_its_time(
    issue: dict[str, object], status: int
) -> None:
    scene = Scene(**issue)  # type: ignore[arg-type]
    if "curve" in issue:
        other = NumberAuthority(NOW).issue(URL, None)
        scene.signer = StirSigner(other, scene.ownership, lambda: NOW)
    assert scene.judge(scene.invite(scene.lines())).status == status


@pytest.mark.rfc("5280", "6.1")
@pytest.mark.rule("T-35")
def test_an_authority_that_is_renewed_vouches_by_its_newer_certificate() -> None:
    scene = Scene()
    expired = scene.authority.renewed((-60, -1))
    for anchors in ((expired, scene.authority.certificate), (scene.authority.certificate, expired)):
        verifier = StirVerifier(Certificates(scene.authority.fetch, anchors), lambda: NOW)
        assert scene.judge(scene.invite(scene.lines()), verifier).verstat == PASSED
    verifier = StirVerifier(Certificates(scene.authority.fetch, (expired,)), lambda: NOW)
    assert scene.judge(scene.invite(scene.lines()), verifier).status == 437


@pytest.mark.rfc("5280", "6.1.4")
@pytest.mark.parametrize(
    ("above", "anchor", "status"),
    [
        ("", {"most_below": 0}, 0),
        ("ca", {"most_below": 0}, 437),
        ("ca", {"most_below": 1}, 0),
        ("", {"ca": False}, 437),
    ],
)
def test_an_anchor_vouches_for_no_more_than_it_may(above: str, anchor: dict[str, int], status: int) -> None:
    scene = Scene(above=above)
    verifier = StirVerifier(
        Certificates(scene.authority.fetch, (scene.authority.renewed(**anchor),)),  # type: ignore[arg-type]
        lambda: NOW,
    )
    assert scene.judge(scene.invite(scene.lines()), verifier).status == status


@pytest.mark.rfc("5280", "4.2.1.3")
@pytest.mark.parametrize(("signs", "status"), [(True, 0), (False, 437)])
def test_a_key_that_is_not_for_signatures_signs_no_calls(signs: bool, status: int) -> None:
    usage = x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not signs,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    scene = Scene(usage=usage)
    assert scene.judge(scene.invite(scene.lines())).status == status


@pytest.mark.rfc("8224", "6.2.3")
@pytest.mark.rule("T-35")
def test_the_certificate_is_where_the_signature_itself_says() -> None:
    scene = Scene()
    elsewhere = "https://certs.test/b.pem"
    scene.authority.files[elsewhere] = scene.authority.files[URL]
    lines = scene.lines().replace(f"info=<{URL}>", f"info=<{elsewhere}>")
    assert scene.judge(scene.invite(lines)).status == 436
    assert not scene.authority.fetched, "nobody is sent anywhere by a header that is not signed"


@pytest.mark.rule("T-35")
def test_an_authority_that_we_do_not_trust_vouches_for_nobody() -> None:
    scene = Scene()
    verdict = scene.judge(scene.invite(scene.lines()), scene.make_verifier(NumberAuthority(NOW)))
    assert (verdict.verstat, verdict.status) == (FAILED, 437)


@pytest.mark.rfc("8224", "6.2.2")
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_what_is_no_certificate_is_unsupported(body: bytes) -> None:
    scene = Scene()
    scene.authority.files[URL] = body
    assert scene.judge(scene.invite(scene.lines())).status == 437


@pytest.mark.rfc("8224", "6.2.2")
def test_a_certificate_that_cannot_be_had_is_bad_info() -> None:
    scene = Scene()
    request = scene.invite(scene.lines())
    scene.authority.files.clear()
    assert scene.judge(request).status == 436
    plain = SigningKey(scene.key.key, "http://certs.test/a.pem")
    scene.signer = StirSigner(plain, scene.ownership, lambda: NOW)
    assert scene.judge(scene.invite(scene.lines())).status == 436


def test_a_call_without_signature_is_not_validated() -> None:
    scene = Scene()
    verdict = scene.judge(scene.invite(""))
    assert (verdict.verstat, verdict.status) == (NONE, 428)
    strange = Identity("a.b.c", URL, ppt="rph")
    assert scene.judge(scene.invite(f"Identity: {strange}\r\n")).status == 428


@pytest.mark.rfc("8224", "4.1.1")
@pytest.mark.rule("T-35")
def test_the_compact_form_is_completed_from_the_request() -> None:
    scene = Scene()
    passport = Passport(("tn", ALICE), {"tn": [BOB]}, int(NOW), URL, "")
    compact = f"..{scene.key.sign(passport).rpartition('.')[2]}"
    lines = f"Date: {formatdate(NOW, usegmt=True)}\r\nIdentity: {Identity(compact, URL)}\r\n"
    assert scene.judge(scene.invite(lines)).verstat == PASSED
    assert scene.judge(scene.invite(lines, CAROL)).status == 438
    assert scene.judge(scene.invite(lines.partition("\r\n")[2])).status == 438, "without Date it says no time"


@pytest.mark.rfc("8224", "4.1.1")
def test_what_came_in_compact_form_goes_on_in_full_form() -> None:
    scene = Scene()
    passport = Passport(("tn", ALICE), {"tn": [BOB]}, int(NOW), URL, "")
    compact = f"..{scene.key.sign(passport).rpartition('.')[2]}"
    lines = f"Date: {formatdate(NOW, usegmt=True)}\r\nIdentity: {Identity(compact, URL)}\r\n"
    first = scene.judge(scene.invite(lines))
    kept = scene.lines(passports=first.identities)
    assert "Date" not in kept
    assert scene.judge(scene.invite(kept)).verstat == PASSED
    diverted = scene.judge(scene.invite(scene.lines(to=CAROL, passports=first.identities), ALICE, CAROL))
    assert (diverted.verstat, len(diverted.identities)) == (PASSED, 2)


@pytest.mark.rfc("8224", "6.2")
@pytest.mark.rule("T-35")
def test_of_several_signatures_one_good_one_is_enough() -> None:
    scene = Scene()
    good = scene.lines()
    bad = good.replace(URL, "https://certs.test/none.pem")
    strange = f"Identity: {Identity('a.b.c', URL, ppt='rph')}\r\n"
    for lines in (strange + bad + good, good + bad, good + strange):
        assert scene.judge(scene.invite(lines)).verstat == PASSED
    assert scene.judge(scene.invite(bad + strange)).status == 436


@pytest.mark.rfc("8946", "4.2")
@pytest.mark.rule("T-35")
def test_a_diverted_call_is_followed_back_to_who_called() -> None:
    scene = Scene()
    first = scene.judge(scene.invite(scene.lines()))
    lines = scene.lines(to=CAROL, passports=first.identities)
    assert lines.count("Identity: ") == 2
    second = scene.judge(scene.invite(lines, ALICE, CAROL))
    assert (second.verstat, second.number, second.attest) == (PASSED, ALICE, "A")
    lines = scene.lines(to=DAVE, passports=second.identities)
    third = scene.judge(scene.invite(lines, ALICE, DAVE))
    assert (third.verstat, len(third.identities)) == (PASSED, 3)
    without_middle = "".join(line + "\r\n" for at, line in enumerate(lines.splitlines()) if at != 1)
    assert scene.judge(scene.invite(without_middle, ALICE, DAVE)).status == 438


@pytest.mark.rfc("8946", "4.1")
def test_no_diversion_is_signed_when_the_destination_stays() -> None:
    scene = Scene()
    first = scene.judge(scene.invite(scene.lines()))
    assert scene.lines(passports=first.identities).count("Identity: ") == 1


@pytest.mark.rfc("8946", "4.2")
@pytest.mark.rule("T-35")
def test_a_diversion_is_signed_by_whom_it_was_diverted_from() -> None:
    scene = Scene()
    first = scene.judge(scene.invite(scene.lines()))
    stranger = scene.authority.issue("https://certs.test/b.pem", [one(DAVE)])
    scene.signer = StirSigner(stranger, scene.ownership, lambda: scene.now)
    lines = scene.lines(to=CAROL, passports=first.identities)
    assert scene.judge(scene.invite(lines, ALICE, CAROL)).status == 437


@pytest.mark.rfc("8946", "4.1")
def test_a_call_that_came_unsigned_and_is_diverted_carries_both() -> None:
    scene = Scene()
    lines = scene.lines(to=CAROL, diversions=(Diversion(f"sip:+{BOB}@a.test"),))
    assert lines.count("Identity: ") == 2
    assert scene.judge(scene.invite(lines, ALICE, CAROL)).verstat == PASSED


@pytest.mark.rule("T-35")
def test_certificates_are_kept_for_a_while_and_fetched_once_for_many() -> None:
    scene = Scene()
    claim = claim_of(scene.invite(scene.lines()), trusted=False)

    async def all_at_once() -> list[Verdict]:
        return list(await asyncio.gather(*(scene.verifier.verify(claim) for _ in range(20))))

    assert {verdict.verstat for verdict in asyncio.run(all_at_once())} == {PASSED}
    assert scene.authority.fetched == [URL]
    scene.now += 3601
    assert scene.judge(scene.invite(scene.lines())).verstat == PASSED
    assert scene.authority.fetched == [URL, URL]


def test_a_caller_who_gives_up_while_a_certificate_is_fetched_spoils_it_for_nobody() -> None:
    scene = Scene()
    claim = claim_of(scene.invite(scene.lines()), trusted=False)
    begun = asyncio.Event()

    async def slowly(url: str) -> Fetched:
        begun.set()
        await asyncio.sleep(0.01)
        return await scene.authority.fetch(url)

    async def three() -> list[Verdict]:
        verifier = StirVerifier(Certificates(slowly, scene.authority.anchors), lambda: NOW)
        first, *others = [asyncio.ensure_future(verifier.verify(claim)) for _ in range(3)]
        await begun.wait()
        first.cancel()
        return [await one for one in others]

    assert [verdict.verstat for verdict in asyncio.run(three())] == [PASSED, PASSED]
    assert scene.authority.fetched == [URL]


def test_a_failure_is_kept_only_shortly() -> None:
    scene = Scene()
    file = scene.authority.files.pop(URL)
    request = scene.invite(scene.lines())
    assert [scene.judge(request).status for _ in range(3)] == [436, 436, 436]
    assert scene.authority.fetched == [URL]
    scene.authority.files[URL] = file
    scene.now += 16
    assert scene.judge(scene.invite(scene.lines())).verstat == PASSED


def test_a_trusted_peers_identity_is_compared_before_from() -> None:
    scene = Scene()
    request = scene.invite(scene.lines(), "1")
    request.headers["From"] = '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1'
    request.headers["P-Asserted-Identity"] = f"<sip:+{ALICE}@a.test>"
    for trusted, verstat in ((True, PASSED), (False, FAILED)):
        claim = claim_of(request, trusted=trusted)
        assert asyncio.run(scene.verifier.verify(claim)).verstat == verstat


def test_no_character_of_a_token_may_change() -> None:
    scene = Scene()
    request = scene.invite(scene.lines())
    value = request.headers["Identity"]
    token = value.partition(";")[0]
    for at in range(len(value)):
        request.headers["Identity"] = value[:at] + "~" + value[at + 1 :]
        verdict = scene.judge(request)
        assert verdict.verstat != PASSED or at >= len(token)
