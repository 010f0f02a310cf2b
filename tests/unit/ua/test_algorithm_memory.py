"""Who is offered which digest algorithm."""

from __future__ import annotations

import pytest

from trunkline.proto.sip.message import Request
from trunkline.ua.algorithm_memory import AlgorithmMemory

HOST = "192.0.2.7"
BOTH = ("SHA-256", "MD5")
MD5 = ("MD5",)


def ask(
    *,
    method: str = "REGISTER",
    call_id: str = "c1",
    cseq: int = 1,
    from_: str = "<sip:301@a.test>;tag=x",
    user_agent: str = "Desk phone 4.2",
    answers: bool = False,
) -> Request:
    headers = {"From": from_, "Call-ID": call_id, "CSeq": f"{cseq} {method}", "User-Agent": user_agent}
    if answers:
        headers["Authorization"] = "Digest"
    return Request(method, "sip:a.test", headers)


@pytest.fixture
def memory() -> AlgorithmMemory:
    return AlgorithmMemory()


@pytest.mark.rfc("8760", "2.3")
def test_whoever_is_not_known_is_offered_both_strongest_first(memory: AlgorithmMemory) -> None:
    assert memory.offer(ask(), HOST) == BOTH


@pytest.mark.parametrize(
    "user_agent",
    [
        "sipp",
        "SIPp v3.6.1",
        "baresip v1.0.0 (x86_64/linux)",
        "baresip v0.6.5",
        "Baresip/1.1.0",
        "BARESIP/0.5",
    ],
)
def test_programs_known_to_choke_are_offered_md5_alone(memory: AlgorithmMemory, user_agent: str) -> None:
    assert memory.offer(ask(user_agent=user_agent), HOST) == MD5
    assert len(memory) == 0


@pytest.mark.parametrize(
    "user_agent", ["", "baresip v2.0.0 (x86_64/linux)", "baresip v10.1", "my sipp", "x" * 999]
)
def test_others_are_not_taken_for_them(memory: AlgorithmMemory, user_agent: str) -> None:
    assert memory.offer(ask(user_agent=user_agent), HOST) == BOTH


def test_a_request_without_user_agent_is_offered_both(memory: AlgorithmMemory) -> None:
    request = ask()
    del request.headers["User-Agent"]
    assert memory.offer(request, HOST) == BOTH


@pytest.mark.parametrize("again", [{"cseq": 2}, {"call_id": "c2"}])
def test_who_comes_back_without_credentials_gave_up_and_is_offered_md5_alone(
    memory: AlgorithmMemory, again: dict[str, int]
) -> None:
    memory.offer(ask(), HOST)
    assert memory.offer(ask(**again), HOST) == MD5  # type: ignore[arg-type]
    assert memory.offer(ask(cseq=9), HOST) == MD5


def test_a_retransmission_does_not_count_as_coming_back(memory: AlgorithmMemory) -> None:
    for _ in range(5):
        assert memory.offer(ask(), HOST) == BOTH


def test_a_call_beside_a_registration_does_not_count_as_coming_back(memory: AlgorithmMemory) -> None:
    memory.offer(ask(), HOST)
    assert memory.offer(ask(method="INVITE", call_id="c2"), HOST) == BOTH


@pytest.mark.parametrize(
    ("host", "from_"),
    [
        ("192.0.2.8", "<sip:301@a.test>;tag=x"),
        (HOST, "<sip:302@a.test>;tag=x"),
        (HOST, '"Front" <sip:301@a.test>;tag=x'),
    ],
)
def test_what_one_client_did_is_not_held_against_another(
    memory: AlgorithmMemory, host: str, from_: str
) -> None:
    memory.offer(ask(), HOST)
    assert memory.offer(ask(cseq=2, from_=from_), host) == BOTH


@pytest.mark.parametrize("from_", ["<sip:301@a.test>;tag=y", "<sip:301@a.test>;TAG=z", "<sip:301@a.test>"])
def test_a_client_is_known_whatever_its_tag(memory: AlgorithmMemory, from_: str) -> None:
    memory.offer(ask(), HOST)
    assert memory.offer(ask(cseq=2, from_=from_), HOST) == MD5


def test_a_client_that_writes_no_brackets_is_known_as_well(memory: AlgorithmMemory) -> None:
    memory.offer(ask(from_="sip:301@a.test;tag=x"), HOST)
    assert memory.offer(ask(cseq=2, from_="sip:301@a.test;tag=y"), HOST) == MD5


def test_who_answered_with_md5_is_offered_md5_alone_from_then_on(memory: AlgorithmMemory) -> None:
    memory.offer(ask(), HOST)
    memory.proved(ask(cseq=2, answers=True), HOST, "MD5")
    for cseq in range(3, 9):
        assert memory.offer(ask(cseq=cseq), HOST) == MD5
    assert memory.offer(ask(method="INVITE", cseq=9), HOST) == MD5


def test_who_answered_with_sha_256_is_offered_both_each_time(memory: AlgorithmMemory) -> None:
    for cseq in range(1, 20, 2):
        assert memory.offer(ask(cseq=cseq), HOST) == BOTH
        memory.proved(ask(cseq=cseq + 1, answers=True), HOST, "SHA-256")


def test_an_old_phone_in_the_place_of_a_new_one_gets_in_with_its_second_attempt(
    memory: AlgorithmMemory,
) -> None:
    memory.offer(ask(), HOST)
    memory.proved(ask(cseq=2, answers=True), HOST, "SHA-256")
    assert memory.offer(ask(call_id="old 1"), HOST) == BOTH
    assert memory.offer(ask(call_id="old 2"), HOST) == MD5


def test_sha_256_brings_both_back(memory: AlgorithmMemory) -> None:
    memory.offer(ask(), HOST)
    assert memory.offer(ask(cseq=2), HOST) == MD5
    memory.proved(ask(cseq=3, answers=True), HOST, "SHA-256")
    assert memory.offer(ask(cseq=4), HOST) == BOTH


def test_a_wrong_password_is_an_answer_and_no_giving_up(memory: AlgorithmMemory) -> None:
    assert memory.offer(ask(), HOST) == BOTH
    assert memory.offer(ask(cseq=2, answers=True), HOST) == BOTH
    assert memory.offer(ask(cseq=3), HOST) == BOTH


def test_a_proof_by_a_listed_program_counts_more_than_the_list(memory: AlgorithmMemory) -> None:
    request = ask(user_agent="sipp", answers=True)
    memory.proved(request, HOST, "SHA-256")
    assert memory.offer(ask(user_agent="sipp", cseq=2), HOST) == BOTH


def test_the_memory_is_bounded_and_the_oldest_go_first() -> None:
    memory = AlgorithmMemory(capacity=16)
    for number in range(1000):
        request = ask(from_=f"<sip:{number}@a.test>;tag=x")
        memory.offer(request, HOST)
        memory.proved(request, HOST, "MD5")
        assert len(memory) <= 32
    assert memory.offer(ask(from_="<sip:999@a.test>", cseq=3), HOST) == MD5
    assert memory.offer(ask(from_="<sip:0@a.test>", cseq=3), HOST) == BOTH


def test_strangers_do_not_push_out_who_has_a_password() -> None:
    memory = AlgorithmMemory(capacity=16)
    memory.proved(ask(answers=True), HOST, "MD5")
    for number in range(1000):
        memory.offer(ask(from_=f"<sip:{number}@a.test>;tag=x"), HOST)
    assert memory.offer(ask(cseq=2), HOST) == MD5


def test_a_memory_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity"):
        AlgorithmMemory(0)
