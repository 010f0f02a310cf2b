"""Judging credentials as a server."""

from __future__ import annotations

import pytest

from trunkline.proto.sip import digest_server
from trunkline.proto.sip.challenge import Challenge, parse_challenges
from trunkline.proto.sip.credentials import Credentials
from trunkline.proto.sip.digest import digest_response, ha1
from trunkline.proto.sip.digest_server import Verdict, render_challenge, verify
from trunkline.proto.sip.nonce import Freshness, Nonces

NOW = 1_800_000_000.0
REALM = "example.com"
URI = "sip:example.com"


@pytest.fixture
def nonces() -> Nonces:
    return Nonces(b"0123456789abcdef", window_s=300)


def lookup(username: str, realm: str, algorithm: str) -> str | None:
    return ha1(username, realm, "secret", algorithm) if username == "alice" else None


def credentials(
    nonce: str,
    *,
    username: str = "alice",
    password: str = "secret",  # noqa: S107  (made up)
    algorithm: str = "MD5",
    qop: str = "auth",
    count: int = 1,
    cnonce: str = "c",
    uri: str = URI,
    realm: str = REALM,
    method: str = "REGISTER",
    body: bytes = b"",
) -> Credentials:
    nc = f"{count:08x}" if qop else ""
    secret = ha1(username, realm, password, algorithm)
    response = digest_response(
        algorithm, secret, nonce, method, uri, qop=qop, nc=nc, cnonce=cnonce, body=body
    )
    return Credentials(username, realm, nonce, uri, response, algorithm, qop, nc, count if qop else 0, cnonce)


@pytest.mark.rule("T-32")
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
@pytest.mark.parametrize("qop", ["", "auth", "auth-int"])
def test_right_credentials_are_let_in(nonces: Nonces, algorithm: str, qop: str) -> None:
    answer = credentials(nonces.mint(REALM, NOW), algorithm=algorithm, qop=qop, body=b"v=0")
    assert verify(answer, "REGISTER", REALM, lookup, nonces, NOW, body=b"v=0") is Verdict.OK


def test_the_method_uri_and_body_are_covered_by_the_digest(nonces: Nonces) -> None:
    answer = credentials(nonces.mint(REALM, NOW), qop="auth-int", body=b"v=0")
    assert verify(answer, "INVITE", REALM, lookup, nonces, NOW, body=b"v=0") is Verdict.WRONG
    assert verify(answer, "REGISTER", REALM, lookup, nonces, NOW, body=b"v=1") is Verdict.WRONG
    answer.uri = "sip:evil.example"
    assert verify(answer, "REGISTER", REALM, lookup, nonces, NOW, body=b"v=0") is Verdict.WRONG


def test_no_or_empty_credentials_are_missing(nonces: Nonces) -> None:
    assert verify(None, "REGISTER", REALM, lookup, nonces, NOW) is Verdict.MISSING
    empty = Credentials("alice", REALM, "", URI, "")
    assert verify(empty, "REGISTER", REALM, lookup, nonces, NOW) is Verdict.MISSING


def test_a_wrong_password_and_an_unknown_user_are_told_apart_for_the_story_only(nonces: Nonces) -> None:
    nonce = nonces.mint(REALM, NOW)
    wrong = credentials(nonce, password="guess")
    assert verify(wrong, "REGISTER", REALM, lookup, nonces, NOW) is Verdict.WRONG
    nobody = credentials(nonce, username="mallory")
    assert verify(nobody, "REGISTER", REALM, lookup, nonces, NOW) is Verdict.UNKNOWN_USER


def test_an_unknown_user_costs_the_same_hashes_as_a_known_one(
    nonces: Nonces, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def counted(algorithm: str, secret: str, nonce: str, method: str, uri: str, **rest: str | bytes) -> str:
        calls.append(len(secret))
        return "0" * 32

    monkeypatch.setattr(digest_server, "digest_response", counted)
    for username in ("alice", "mallory"):
        answer = Credentials(username, REALM, nonces.mint(REALM, NOW), URI, "1" * 32)
        assert verify(answer, "REGISTER", REALM, lookup, nonces, NOW) is not Verdict.OK
    assert calls == [32, 32]


def test_the_stand_in_for_nobody_opens_no_door(nonces: Nonces) -> None:
    nonce = nonces.mint(REALM, NOW)
    response = digest_response("MD5", "0" * 32, nonce, "REGISTER", URI)
    answer = Credentials("mallory", REALM, nonce, URI, response)
    assert verify(answer, "REGISTER", REALM, lookup, nonces, NOW) is Verdict.UNKNOWN_USER


@pytest.mark.rule("T-32")
def test_stale_is_said_only_when_the_digest_over_the_expired_nonce_is_right(nonces: Nonces) -> None:
    nonce = nonces.mint(REALM, NOW)
    later = NOW + 301
    assert verify(credentials(nonce), "REGISTER", REALM, lookup, nonces, later) is Verdict.STALE
    wrong = credentials(nonce, password="guess")
    assert verify(wrong, "REGISTER", REALM, lookup, nonces, later) is Verdict.WRONG


@pytest.mark.rule("T-32")
@pytest.mark.parametrize(("username", "password"), [("alice", "secret"), ("alice", "x"), ("nobody", "x")])
def test_over_a_nonce_that_is_not_ours_or_not_for_this_source_no_password_is_looked_at(
    nonces: Nonces, username: str, password: str
) -> None:
    """Otherwise somebody could guess without being counted: in the name of a forged source, or from a second one."""

    def judged(nonce: str) -> Verdict:
        answer = credentials(nonce, username=username, password=password)
        return verify(answer, "REGISTER", REALM, lookup, nonces, NOW, source="192.0.2.7")

    assert judged("0" * 48) is Verdict.FOREIGN_NONCE
    assert judged(nonces.mint(REALM, NOW, "192.0.2.8")) is Verdict.MOVED


@pytest.mark.rule("T-32")
def test_a_count_is_good_once_and_a_guess_uses_up_none(nonces: Nonces) -> None:
    nonce = nonces.mint(REALM, NOW)
    guess = credentials(nonce, password="guess")
    assert verify(guess, "REGISTER", REALM, lookup, nonces, NOW) is Verdict.WRONG
    assert verify(credentials(nonce), "REGISTER", REALM, lookup, nonces, NOW) is Verdict.OK
    assert verify(credentials(nonce), "REGISTER", REALM, lookup, nonces, NOW) is Verdict.REPLAYED
    assert verify(credentials(nonce, count=3), "REGISTER", REALM, lookup, nonces, NOW) is Verdict.OK
    assert verify(credentials(nonce, count=2), "REGISTER", REALM, lookup, nonces, NOW) is Verdict.OK
    assert verify(credentials(nonce, count=2), "REGISTER", REALM, lookup, nonces, NOW) is Verdict.REPLAYED


def test_a_foreign_realm_algorithm_or_qop_is_named(nonces: Nonces) -> None:
    other = credentials(nonces.mint("other", NOW), realm="other")
    assert verify(other, "REGISTER", REALM, lookup, nonces, NOW) is Verdict.UNKNOWN_REALM
    md5 = credentials(nonces.mint(REALM, NOW))
    only_sha = verify(md5, "REGISTER", REALM, lookup, nonces, NOW, algorithms=("SHA-256",))
    assert only_sha is Verdict.UNKNOWN_ALGORITHM
    strange = Credentials("alice", REALM, "n", URI, "00", algorithm="MD5-sess")
    assert (
        verify(strange, "REGISTER", REALM, lookup, nonces, NOW, algorithms=("MD5-sess",))
        is Verdict.UNKNOWN_ALGORITHM
    )
    odd = credentials(nonces.mint(REALM, NOW), qop="auth-conf")
    assert verify(odd, "REGISTER", REALM, lookup, nonces, NOW) is Verdict.UNKNOWN_ALGORITHM


def test_the_nonce_of_one_challenge_is_good_for_the_algorithm_of_another(nonces: Nonces) -> None:
    nonce = nonces.mint(REALM, NOW)
    for algorithm in ("MD5", "SHA-256"):
        answer = credentials(nonce, algorithm=algorithm, cnonce=algorithm)
        assert verify(answer, "REGISTER", REALM, lookup, nonces, NOW) is Verdict.OK


@pytest.mark.parametrize(
    ("requested", "verdict"),
    [
        (None, Verdict.OK),
        (URI, Verdict.OK),
        ("sip:EXAMPLE.com", Verdict.OK),
        ("sip:other.example", Verdict.URI_MISMATCH),
        ("nonsense", Verdict.URI_MISMATCH),
    ],
)
def test_the_uri_is_compared_where_policy_asks(
    nonces: Nonces, requested: str | None, verdict: Verdict
) -> None:
    answer = credentials(nonces.mint(REALM, NOW))
    assert verify(answer, "REGISTER", REALM, lookup, nonces, NOW, request_uri=requested) is verdict


def challenges_in(lines: str, header: str = "WWW-Authenticate") -> list[Challenge]:
    """The challenges of finished header lines."""
    rows = lines.split("\r\n")
    assert rows.pop() == ""
    assert all(row.startswith(f"{header}: ") for row in rows)
    return parse_challenges("\n".join(row.partition(": ")[2] for row in rows))


@pytest.mark.rfc("8760", "2.3")
@pytest.mark.rule("T-32")
def test_challenges_offer_the_strongest_first_with_one_nonce_that_any_may_answer(nonces: Nonces) -> None:
    lines = render_challenge(REALM, nonces, NOW)
    assert [line.partition("algorithm=")[2] for line in lines.split("\r\n") if line] == [
        'SHA-256, qop="auth"',
        'MD5, qop="auth"',
    ]
    strong, weak = challenges_in(lines)
    assert strong.nonce == weak.nonce
    for challenge in (strong, weak):
        answer = credentials(challenge.nonce, algorithm=challenge.algorithm, cnonce=challenge.algorithm)
        assert verify(answer, "REGISTER", REALM, lookup, nonces, NOW) is Verdict.OK


def test_each_request_is_challenged_with_a_nonce_of_its_own(nonces: Nonces) -> None:
    """Two requests in one second, answered with one and the same cnonce: neither is a replay."""
    first, second = (challenges_in(render_challenge(REALM, nonces, NOW, ("MD5",)))[0] for _ in range(2))
    assert first.nonce != second.nonce
    for challenge in (first, second):
        assert verify(credentials(challenge.nonce), "REGISTER", REALM, lookup, nonces, NOW) is Verdict.OK


def test_a_challenge_says_what_it_was_asked_to(nonces: Nonces) -> None:
    lines = render_challenge(REALM, nonces, NOW, ("MD5",), stale=True, header="Proxy-Authenticate")
    (challenge,) = challenges_in(lines, "Proxy-Authenticate")
    assert challenge.stale
    assert challenge.qops == ("auth",)
    assert not challenges_in(render_challenge(REALM, nonces, NOW, ("MD5",)))[0].stale


@pytest.mark.parametrize("realm", ['nonce=""', 'a", nonce="b', "with\0NUL", "back\\slash", ""])
def test_a_strange_realm_does_not_mix_up_a_challenge(nonces: Nonces, realm: str) -> None:
    lines = render_challenge(realm, nonces, NOW)
    assert "\0" not in lines
    for challenge in challenges_in(lines):
        assert challenge.realm == realm.replace("\0", " ")
        assert nonces.judge(challenge.nonce, realm, NOW) is Freshness.FRESH


def test_hostile_text_in_credentials_is_only_wrong(nonces: Nonces) -> None:
    nonce = nonces.mint(REALM, NOW)
    answer = Credentials("\udcff\x00", REALM, nonce, "\udcff", "x", "MD5", "auth", "00000001", 1, "\udcff")
    assert verify(answer, "\udcff", REALM, lambda *_: "0" * 32, nonces, NOW) is Verdict.WRONG
    answer.nonce = "\udcff"
    assert verify(answer, "\udcff", REALM, lambda *_: "0" * 32, nonces, NOW) is Verdict.FOREIGN_NONCE
