"""Answering challenges as a client."""

from __future__ import annotations

import json

import pytest

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.challenge import Challenge, parse_challenges
from trunkline.proto.sip.credentials import Credentials, parse_credentials
from trunkline.proto.sip.digest import digest_response, ha1
from trunkline.proto.sip.digest_client import Account, Attempts, DigestClient
from trunkline.proto.sip.digest_server import Verdict, render_challenge, verify
from trunkline.proto.sip.nonce import Nonces

NOW = 1_800_000_000.0


@pytest.fixture
def client() -> DigestClient:
    return DigestClient(Account("alice", "secret"))


def only(values: list[str]) -> Credentials:
    (value,) = values
    credentials = parse_credentials(value)
    assert credentials is not None
    return credentials


def answer(client: DigestClient, *challenges: Challenge, attempts: Attempts | None = None) -> list[str]:
    return client.answer(challenges, "INVITE", "sip:b", "cnonce", attempts or Attempts(), b"v=0")


@pytest.mark.rfc("8760", "2.4")
def test_our_own_server_is_satisfied_with_the_strongest_algorithm(client: DigestClient) -> None:
    nonces = Nonces(b"0123456789abcdef")
    lines = render_challenge("r", nonces, NOW).split("\r\n")
    challenges = parse_challenges("\n".join(line.partition(": ")[2] for line in lines if line))
    credentials = only(answer(client, *challenges))
    assert credentials.algorithm == "SHA-256"

    def lookup(username: str, realm: str, algorithm: str) -> str:
        return ha1(username, realm, "secret", algorithm)

    assert verify(credentials, "INVITE", "r", lookup, nonces, NOW) is Verdict.OK
    again = only(client.authorize("INVITE", "sip:b", "cnonce", Attempts()))
    assert again.count == 2
    assert verify(again, "INVITE", "r", lookup, nonces, NOW) is Verdict.OK


def test_the_count_rises_with_each_use_of_a_nonce_and_begins_anew_with_another(client: DigestClient) -> None:
    counts = [
        only(answer(client, Challenge("r", nonce, qops=("auth",)))).nc for nonce in ("n", "n", "m", "m", "m")
    ]
    assert counts == ["00000001", "00000002", "00000001", "00000002", "00000003"]


def test_an_account_of_ha1s_answers_what_it_has_one_for() -> None:
    client = DigestClient(Account("alice", ha1s={("r", "MD5"): ha1("alice", "r", "secret", "MD5")}))
    strong, weak = Challenge("r", "1", "SHA-256", qops=("auth",)), Challenge("r", "2", "MD5", qops=("auth",))
    credentials = only(answer(client, strong, weak))
    assert credentials.algorithm == "MD5"
    assert answer(client, Challenge("other", "3")) == []


def test_an_account_of_one_realm_gives_nothing_to_another() -> None:
    client = DigestClient(Account("alice", "secret", realm="home"))
    assert answer(client, Challenge("evil", "1")) == []
    assert only(answer(client, Challenge("home", "1"))).realm == "home"


@pytest.mark.parametrize(
    ("qops", "qop"),
    [((), ""), (("auth",), "auth"), (("auth-int", "auth"), "auth"), (("auth-int",), "auth-int")],
)
def test_auth_is_preferred_and_auth_int_covers_the_body(
    client: DigestClient, qops: tuple[str, ...], qop: str
) -> None:
    credentials = only(answer(client, Challenge("r", "n", qops=qops)))
    assert credentials.qop == qop
    expected = digest_response(
        "MD5", ha1("alice", "r", "secret", "MD5"), "n", "INVITE", "sip:b",
        qop=qop, nc=credentials.nc, cnonce=credentials.cnonce, body=b"v=0",
    )  # fmt: skip
    assert credentials.response == expected


def test_an_unknown_qop_is_not_answered(client: DigestClient) -> None:
    assert answer(client, Challenge("r", "n", qops=("auth-conf",))) == []


def test_algorithm_and_opaque_are_given_back_as_they_came(client: DigestClient) -> None:
    (bare,) = answer(client, Challenge("r", "n", named=False))
    assert "algorithm" not in bare
    assert "opaque" not in bare
    (full,) = answer(client, Challenge("r", "n", opaque=""))
    assert 'algorithm=MD5, opaque=""' in full


def test_each_realm_of_a_forking_proxy_gets_its_answer(client: DigestClient) -> None:
    values = answer(client, Challenge("a", "1", "SHA-256"), Challenge("a", "2"), Challenge("b", "3"))
    answered = [parse_credentials(value) for value in values]
    assert [each and (each.realm, each.algorithm) for each in answered] == [("a", "SHA-256"), ("b", "MD5")]


@pytest.mark.rule("T-32")
def test_a_request_refused_twice_is_given_up(client: DigestClient) -> None:
    attempts = Attempts()
    assert answer(client, Challenge("r", "1"), attempts=attempts)
    assert answer(client, Challenge("r", "2"), attempts=attempts)
    assert answer(client, Challenge("r", "3"), attempts=attempts) == []
    assert answer(client, Challenge("r", "4"), attempts=attempts) == []


@pytest.mark.rule("T-32")
def test_stale_is_no_refusal_but_does_not_go_on_for_ever(client: DigestClient) -> None:
    attempts = Attempts()
    answered = [bool(answer(client, Challenge("r", str(n), stale=True), attempts=attempts)) for n in range(5)]
    assert answered == [True, True, True, False, False]


def test_many_requests_challenged_at_once_are_all_answered(client: DigestClient) -> None:
    assert all(answer(client, Challenge("r", str(n))) for n in range(10))


def test_old_knowledge_refused_counts_as_one_refusal(client: DigestClient) -> None:
    answer(client, Challenge("r", "1"))
    attempts = Attempts()
    assert client.authorize("INVITE", "sip:b", "c", attempts)
    assert answer(client, Challenge("r", "2"), attempts=attempts)
    assert answer(client, Challenge("r", "3"), attempts=attempts) == []


def test_nothing_is_authorised_before_the_first_challenge(client: DigestClient) -> None:
    assert client.authorize("INVITE", "sip:b", "c", Attempts()) == []


def test_a_restored_client_goes_on_counting(client: DigestClient) -> None:
    answer(client, Challenge("r", "n", "SHA-256", qops=("auth",), opaque="o"))
    saved = json.loads(json.dumps(client.snapshot()))
    assert "secret" not in json.dumps(saved)
    restored = DigestClient.restore(client.account, saved)
    assert restored.snapshot() == client.snapshot()
    credentials = only(restored.authorize("BYE", "sip:b", "c", Attempts()))
    assert (credentials.count, credentials.nonce, credentials.opaque) == (2, "n", "o")


@pytest.mark.rfc("7616", "3.5")
def test_a_nextnonce_is_taken_over(client: DigestClient) -> None:
    answer(client, Challenge("r", "n", qops=("auth",)))
    client.learn('nextnonce="m", qop=auth')
    credentials = only(client.authorize("BYE", "sip:b", "c", Attempts()))
    assert (credentials.nonce, credentials.count) == ("m", 1)
    client.learn("qop=auth")
    assert only(client.authorize("BYE", "sip:b", "c", Attempts())).count == 2
    with pytest.raises(RemoteProtocolError):
        client.learn('nextnonce="open')


def test_a_peer_cannot_fill_our_memory_with_realms(client: DigestClient) -> None:
    for n in range(100):
        answer(client, *(Challenge(f"r{n}.{m}", "n") for m in range(10)))
    assert len(client.snapshot()) == 8


def test_hostile_challenges_cannot_add_header_lines(client: DigestClient) -> None:
    (value,) = answer(client, Challenge('r"\r\nVia: x', "n\n", opaque="\x00"))
    assert not set(value) & set("\r\n\x00")


def test_no_secret_is_shown() -> None:
    assert "secret" not in repr(Account("alice", "secret"))
