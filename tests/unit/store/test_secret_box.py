"""Passwords at rest."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from trunkline.store.errors import KeyFileError
from trunkline.store.secret_box import SecretBox, create_key, key_id, load_key

SECRET = "correct horse battery staple"


@pytest.fixture
def box() -> SecretBox:
    return SecretBox(bytes(range(32)), "secret.key")


def test_a_secret_opens_for_its_owner(box: SecretBox) -> None:
    assert box.open(box.seal(SECRET, "t1", "e1"), "t1", "e1") == SECRET


def test_sealing_twice_gives_different_texts_without_the_secret(box: SecretBox) -> None:
    first, second = box.seal(SECRET, "t1", "e1"), box.seal(SECRET, "t1", "e1")
    assert first != second
    assert SECRET not in first
    assert SECRET.encode() not in base64.urlsafe_b64decode(first.rpartition(".")[2])


@pytest.mark.parametrize(("tenant", "owner"), [("t2", "e1"), ("t1", "e2")])
def test_a_secret_copied_to_another_row_does_not_open(box: SecretBox, tenant: str, owner: str) -> None:
    with pytest.raises(KeyFileError, match="copied from another row"):
        box.open(box.seal(SECRET, "t1", "e1"), tenant, owner)


def test_an_altered_secret_does_not_open(box: SecretBox) -> None:
    sealed = box.seal(SECRET, "t1", "e1")
    altered = sealed[:-6] + ("A" if sealed[-6] != "A" else "B") + sealed[-5:]
    with pytest.raises(KeyFileError, match="altered"):
        box.open(altered, "t1", "e1")


def test_another_key_is_told_apart_and_says_what_to_do(box: SecretBox) -> None:
    sealed = SecretBox(b"o" * 32).seal(SECRET, "t1", "e1")
    with pytest.raises(KeyFileError, match="restore the key file from a backup") as caught:
        box.open(sealed, "t1", "e1")
    assert key_id(b"o" * 32) in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "plain", "1.", "1..", "2.abcd.ef", "1.{id}.%%%", "1.{id}.", "1.{id}.AAAA"]
)
def test_text_that_was_never_sealed_raises_only_key_file_error(box: SecretBox, text: str) -> None:
    with pytest.raises(KeyFileError):
        box.open(text.replace("{id}", box.key_id), "t1", "e1")


def test_a_key_file_is_private_and_gives_the_same_box_again(tmp_path: Path) -> None:
    created = create_key(tmp_path / "secret.key")
    sealed = created.seal(SECRET, "t1", "e1")
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600
    assert load_key(tmp_path / "secret.key").open(sealed, "t1", "e1") == SECRET
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    create_key(tmp_path / "secret.key")
    before = (tmp_path / "secret.key").read_bytes()
    with pytest.raises(KeyFileError, match="exists"):
        create_key(tmp_path / "secret.key")
    assert (tmp_path / "secret.key").read_bytes() == before


def test_a_place_that_takes_no_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="nowhere"):
        create_key(tmp_path / "nowhere" / "secret.key")


KEY = base64.b64encode(b"k" * 32).decode()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "0 bytes"),
        (f"{key_id(b'k' * 32)}:{KEY[:-8]}", "bytes"),
        (f"{key_id(b'k' * 32)}:{KEY}!", "damaged"),
        (f"00000000:{KEY}", "does not fit its id"),
        ("schl\xfcssel", "unreadable"),
    ],
)
def test_a_damaged_key_file_is_refused_without_showing_it(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "secret.key").write_text(content, encoding="latin-1")
    with pytest.raises(KeyFileError, match=says) as caught:
        load_key(tmp_path / "secret.key")
    assert KEY[:-8] not in str(caught.value)


def test_no_text_of_a_box_shows_its_key(box: SecretBox) -> None:
    shown = repr(box) + str(box)
    assert base64.b64encode(bytes(range(32))).decode() not in shown
    assert bytes(range(32)).hex() not in shown
