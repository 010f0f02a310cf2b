"""Admitting requests: verdicts, challenges, counters and stories."""

from __future__ import annotations

import pytest

from tests.unit.proto.sip.transaction.kit import FakeWire, World
from trunkline.base.errors import RemoteProtocolError
from trunkline.base.story import Story
from trunkline.proto.sip.challenge import Challenge, parse_challenges
from trunkline.proto.sip.digest import digest_response, ha1
from trunkline.proto.sip.digest_server import Verdict
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.nonce import Nonces
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.ua.authentication import Authenticator

REALM = "a.test"
URI = "sip:a.test"
PASSWORD = "nine-blue-chairs"


def source(username: str, realm: str, algorithm: str) -> str | None:
    """301 is the one user, by its number or with its realm."""
    known = username in {"301", f"301@{REALM}"}
    return ha1(username, realm, PASSWORD, algorithm) if known else None


class Counter:
    """An authenticator and a peer of it."""

    def __init__(self, algorithms: tuple[str, ...] = ("SHA-256", "MD5"), host: str = "192.0.2.7") -> None:
        self.now = 1_800_000_000.0
        self.authenticator = Authenticator(Nonces(b"n" * 16), lambda: self.now, algorithms)
        self.world = World()
        self.wire = FakeWire(self.world, remote=(host, 5062))
        self.story = Story(0.0)
        self._cseq = 0

    def admit(self, authorization: str | None = None, user_agent: str = "Desk phone") -> str | None:
        self._cseq += 1
        headers = {
            "Via": "SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK1",
            "From": "<sip:301@a.test>;tag=f",
            "To": "<sip:301@a.test>",
            "Call-ID": "c1",
            "CSeq": f"{self._cseq} REGISTER",
            "User-Agent": user_agent,
        }
        if authorization is not None:
            headers["Authorization"] = authorization
        request = Request("REGISTER", URI, headers)
        incoming = Incoming(self.world.layer, request, self.wire, "key", self.world.now)
        return self.authenticator.admit(incoming, REALM, source, self.story)

    @property
    def challenges(self) -> list[Challenge]:
        """Those of the last answer."""
        response = self.wire.last_response()
        assert response.status == 401
        return parse_challenges(response.headers["WWW-Authenticate"])

    @property
    def offered(self) -> list[str]:
        return [challenge.algorithm for challenge in self.challenges]

    def answer(
        self, algorithm: str = "MD5", *, username: str = "301", password: str = PASSWORD, nonce: str = ""
    ) -> str:
        nonce = nonce or self.challenges[0].nonce
        secret = ha1(username, REALM, password, algorithm)
        response = digest_response(
            algorithm, secret, nonce, "REGISTER", URI, qop="auth", nc="00000001", cnonce="c"
        )
        return (
            f'Digest username="{username}", realm="{REALM}", nonce="{nonce}", uri="{URI}", '
            f'response="{response}", algorithm={algorithm}, cnonce="c", nc=00000001, qop=auth'
        )


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_right_credentials_are_admitted_with_the_nonce_of_any_challenge(algorithm: str) -> None:
    counter = Counter()
    assert counter.admit() is None
    assert counter.offered == ["SHA-256", "MD5"]
    assert counter.admit(counter.answer(algorithm)) == "301"
    assert [step.code for step in counter.story.steps] == ["auth.challenge", "auth.ok"]
    counters = counter.authenticator.counters
    assert (counters.challenged, counters.accepted, counters.wrong, counters.stale) == (1, 1, 0, 0)


@pytest.mark.rule("T-32")
def test_a_user_with_its_realm_is_the_user() -> None:
    counter = Counter()
    counter.admit()
    assert counter.admit(counter.answer(username=f"301@{REALM}")) == "301"


@pytest.mark.parametrize(
    ("username", "password", "verdict"),
    [("301", "guess", Verdict.WRONG), ("999", PASSWORD, Verdict.UNKNOWN_USER)],
)
def test_wrong_credentials_are_challenged_again(username: str, password: str, verdict: Verdict) -> None:
    counter = Counter()
    counter.admit()
    assert counter.admit(counter.answer(username=username, password=password)) is None
    assert counter.wire.statuses == [401, 401]
    assert counter.story.steps[-1].code == "auth.wrong"
    assert counter.story.steps[-1].data == {"verdict": verdict.value}
    assert not counter.challenges[0].stale
    assert counter.authenticator.counters.wrong == 1


def test_an_expired_nonce_is_stale_and_the_answer_to_the_new_one_is_taken() -> None:
    counter = Counter()
    counter.admit()
    late = counter.answer()
    counter.now += 301
    assert counter.admit(late) is None
    assert counter.challenges[0].stale
    assert counter.story.last_code == "auth.stale"
    assert counter.authenticator.counters.stale == 1
    assert counter.admit(counter.answer()) == "301"


def test_credentials_are_good_once() -> None:
    counter = Counter()
    counter.admit()
    answer = counter.answer()
    assert counter.admit(answer) == "301"
    assert counter.admit(answer) is None
    assert counter.story.steps[-1].data == {"verdict": "replayed"}


@pytest.mark.parametrize("algorithms", [("MD5",), ("SHA-256",)])
def test_an_algorithm_that_is_not_allowed_is_neither_offered_nor_taken(algorithms: tuple[str, ...]) -> None:
    counter = Counter(algorithms)
    for user_agent in ("Desk phone", "sipp", "baresip v1.0.0"):
        assert counter.admit(user_agent=user_agent) is None
        assert counter.offered == list(algorithms)
    other = "MD5" if algorithms == ("SHA-256",) else "SHA-256"
    assert counter.admit(counter.answer(other)) is None
    assert counter.story.steps[-1].data == {"verdict": "unknown algorithm"}
    assert counter.offered == list(algorithms)
    assert counter.admit(counter.answer(algorithms[0])) == "301"


def test_a_program_that_chokes_is_offered_md5_alone() -> None:
    counter = Counter()
    counter.admit(user_agent="baresip v1.0.0 (x86_64/linux)")
    assert counter.offered == ["MD5"]
    assert counter.admit(counter.answer()) == "301"


def test_who_gives_up_over_sha_256_gets_in_with_its_second_attempt() -> None:
    counter = Counter()
    counter.admit()
    counter.admit()
    assert counter.offered == ["MD5"]


def test_md5_over_an_expired_nonce_is_answered_with_md5_alone() -> None:
    """After a restart nothing is remembered, and the phone comes with the nonce it had."""
    before, after = Counter(), Counter()
    before.admit()
    after.now += 301
    assert after.admit(before.answer()) is None
    assert after.offered == ["MD5"]
    assert after.challenges[0].stale


def test_a_guess_teaches_nothing() -> None:
    counter = Counter()
    counter.admit()
    counter.admit(counter.answer(password="guess"))
    assert counter.offered == ["SHA-256", "MD5"]


@pytest.mark.parametrize("authorization", ["Bearer abc", "Basic QWxhZGRpbg=="])
def test_another_scheme_counts_as_no_credentials(authorization: str) -> None:
    counter = Counter()
    assert counter.admit(authorization) is None
    assert counter.story.last_code == "auth.challenge"


def test_malformed_credentials_are_the_peers_fault() -> None:
    with pytest.raises(RemoteProtocolError):
        Counter().admit("Digest username=")


def test_stories_and_answers_hold_no_secret() -> None:
    counter = Counter()
    counter.admit()
    answer = counter.answer(password="guess")
    counter.admit(answer)
    told = f"{counter.story.as_list()}{counter.wire.messages[-1].headers}"
    for secret in (
        PASSWORD,
        "guess",
        ha1("301", REALM, PASSWORD, "MD5"),
        answer.partition("response=")[2][:34],
    ):
        assert secret not in told
