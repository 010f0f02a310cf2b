"""Identifiers: UUIDv7, pooled tokens, and whose an identifier is."""

from __future__ import annotations

import re
import time
import uuid

import pytest

from trunkline.base.ids import NodeIds, TokenPool, uuid4, uuid7


@pytest.mark.rfc(9562, "5.7")
def test_a_uuid7_is_a_valid_version_7_uuid_of_now() -> None:
    before = time.time_ns() // 1_000_000
    text = uuid7()
    parsed = uuid.UUID(text)
    assert str(parsed) == text
    assert parsed.version == 7
    assert parsed.variant == uuid.RFC_4122
    assert before <= parsed.int >> 80 <= time.time_ns() // 1_000_000


@pytest.mark.rfc(9562, "5.7")
def test_uuid7s_sort_by_the_millisecond_they_were_made_in(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for milliseconds in (0, 1, 255, 2**32, 1_800_000_000_000, 2**48 - 1):
        monkeypatch.setattr(time, "time_ns", lambda ms=milliseconds: ms * 1_000_000)
        made.append(uuid7())
    assert made == sorted(made)
    assert {len(text) for text in made} == {36}


def test_uuid7s_of_one_millisecond_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_800_000_000_000_000_000)
    assert len({uuid7() for _ in range(10_000)}) == 10_000


@pytest.mark.rfc(9562, "5.4")
def test_uuid4s_are_valid_and_differ() -> None:
    made = [uuid4() for _ in range(1_000)]
    assert len(set(made)) == len(made)
    for text in made:
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 4, uuid.RFC_4122)


def test_tokens_never_share_entropy_across_the_end_of_a_block() -> None:
    pool = TokenPool()
    tokens = [pool.token(length) for length in (16, 19, 28, 256) * 200]
    assert [len(token) for token in tokens] == [16, 19, 28, 256] * 200
    assert len(set(tokens)) == len(tokens)
    assert all(re.fullmatch("[0-9a-f]+", token) for token in tokens)


def test_entropy_is_fetched_in_blocks_and_used_once() -> None:
    calls: list[int] = []

    def entropy(count: int) -> bytes:
        calls.append(count)
        return bytes([len(calls)]) * count

    pool = TokenPool(entropy)
    for _ in range(257):
        pool.token(16)
    assert calls == [2048, 2048]
    assert pool.token(4) == "0202"


@pytest.mark.parametrize(("node", "worker", "prefix"), [(0, 0, "0000"), (1, 2, "0102"), (255, 255, "ffff")])
def test_every_identifier_names_its_node_and_worker(node: int, worker: int, prefix: str) -> None:
    ids = NodeIds(node, worker)
    assert ids.prefix == prefix
    for identifier in (ids.tag(), ids.branch(), ids.call_id()):
        assert identifier.removeprefix("z9hG4bK").startswith(prefix)
        assert ids.owner_of(identifier) == (node, worker)


def test_a_call_id_is_told_from_one_that_looks_like_it() -> None:
    ids, again, other = (NodeIds(1, 2, key=bytes([key]) * 16) for key in (1, 1, 2))
    minted = ids.call_id()
    assert re.fullmatch("0102[0-9a-f]{28}", minted)
    assert again.has_minted(minted), "another process with our key"
    assert not other.has_minted(minted)
    forged = minted[:10] + ("0" if minted[10] != "0" else "1") + minted[11:]
    for text in (forged, minted[:-1], minted + "0", minted.upper(), ids.tag(), "", "\udcff" * 32, "é" * 32):
        assert not ids.has_minted(text)
    assert len({ids.call_id() for _ in range(1000)}) == 1000


@pytest.mark.rfc(3261, "8.1.1.7")
def test_a_branch_begins_with_the_magic_cookie() -> None:
    assert NodeIds().branch().startswith("z9hG4bK")


@pytest.mark.rfc(3261, "19.3")
def test_a_tag_has_at_least_32_random_bits() -> None:
    ids = NodeIds()
    assert len(ids.tag()) - len(ids.prefix) >= 8
    assert len({ids.tag() for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "foreign", ["", "z9hG4bK", "abc", "+f+a0011223344556677", "1918181833n", "é" * 20, "0" * 21]
)
def test_identifiers_of_another_shape_have_no_owner(foreign: str) -> None:
    assert NodeIds().owner_of(foreign) is None


@pytest.mark.parametrize(("node", "worker"), [(-1, 0), (256, 0), (0, -1), (0, 256)])
def test_nodes_and_workers_beyond_a_byte_are_refused(node: int, worker: int) -> None:
    with pytest.raises(ValueError, match="must be 0"):
        NodeIds(node, worker)
