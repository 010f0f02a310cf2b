"""What a check finds about signed callers: the key, the certificate that others fetch, the authorities."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.peers.signers import NumberAuthority, key_pem
from trunkline.app.check import signatures as area
from trunkline.app.check.finding import Case, Finding, Grade
from trunkline.app.peering import signatures_of
from trunkline.app.settings.file import load_settings
from trunkline.app.settings.stir import Stir
from trunkline.base.errors import TransportError
from trunkline.net.tls.certificates import utc_now

URL = "https://certs.example.com/shaken.pem"


def bad(findings: Iterable[Finding]) -> list[tuple[Grade, str]]:
    """What is not well; each of these must say what to do."""
    found = [finding for finding in findings if finding.grade is not Grade.OK]
    assert all(finding.mend for finding in found)
    return [(finding.grade, finding.what) for finding in found]


def case(folder: Path, text: str) -> Case:
    (folder / "t.toml").write_text(text)
    loaded = load_settings(folder / "t.toml", folder, env={})
    return Case(loaded, loaded.data)


@pytest.fixture
def authority() -> NumberAuthority:
    return NumberAuthority(time.time())


@pytest.fixture
def stir(tmp_path: Path, authority: NumberAuthority) -> Stir:
    """A key whose certificate is at URL."""
    file = tmp_path / "shaken.key"
    file.write_bytes(key_pem(authority.issue(URL, None)))
    file.chmod(0o600)
    return Stir(key=str(file), certificate_url=URL, numbers=("+12025550100",))


def look_at(stir: Stir, authority: NumberAuthority, days: float = 0) -> list[tuple[Grade, str]]:
    made = signatures_of(stir, time.time)
    later = utc_now() + timedelta(days=days)
    return bad(area.key(stir, made, later, lambda _stir: authority.files[URL]))


def test_a_key_and_its_certificate_are_well(stir: Stir, authority: NumberAuthority) -> None:
    assert look_at(stir, authority) == []


def test_a_certificate_that_ends_is_told_in_time(stir: Stir, authority: NumberAuthority) -> None:
    ((grade, what),) = look_at(stir, authority, days=20)
    assert (grade, "expires on" in what) == (Grade.WARN, True)
    ((grade, what),) = look_at(stir, authority, days=40)
    assert (grade, "has expired on" in what) == (Grade.FAIL, True)
    ((grade, what),) = look_at(stir, authority, days=-40)
    assert (grade, "is not valid before" in what) == (Grade.FAIL, True)


def test_the_certificate_of_another_key_fails(stir: Stir, authority: NumberAuthority) -> None:
    authority.issue(URL, None)
    ((grade, what),) = look_at(stir, authority)
    assert (grade, what) == (Grade.FAIL, f"the certificate at {URL} is for another key than {stir.key}")


def test_what_is_no_certificate_fails(stir: Stir, authority: NumberAuthority) -> None:
    authority.files[URL] = b"<html>"
    ((grade, what),) = look_at(stir, authority)
    assert (grade, what) == (Grade.FAIL, f"{URL} is no certificate")


def test_a_certificate_that_nobody_gives_is_told(stir: Stir) -> None:
    def fails(_stir: Stir) -> bytes:
        raise TransportError("certs.example.com did not answer in 4 s")

    ((grade, what),) = bad(area.key(stir, signatures_of(stir, time.time), utc_now(), fails))
    assert (grade, what) == (Grade.WARN, f"{URL} cannot be fetched: certs.example.com did not answer in 4 s")


def test_a_key_that_others_may_read_and_no_number_are_told(stir: Stir, authority: NumberAuthority) -> None:
    Path(stir.key or "").chmod(0o640)
    found = look_at(stir.model_copy(update={"numbers": ()}), authority)
    assert [what for _, what in found] == [
        f"{stir.key} is open to other users",
        "stir.numbers is empty: no call is attested A",
    ]


def test_authorities_are_looked_at_for_their_time(tmp_path: Path, authority: NumberAuthority) -> None:
    old = authority.renewed((-30, -1)).public_bytes(Encoding.PEM)
    good = authority.renewed((-1, 30)).public_bytes(Encoding.PEM)
    file = tmp_path / "roots.pem"
    text = f'[stir]\nanchors = "{file}"\n'
    file.write_bytes(good)
    assert bad(area.signatures(case(tmp_path, text))) == []
    file.write_bytes(good + old)
    ((grade, what),) = bad(area.signatures(case(tmp_path, text)))
    assert (grade, "has expired on" in what) == (Grade.FAIL, True)
    file.write_bytes(old)
    assert bad(area.signatures(case(tmp_path, text)))[-1] == (
        Grade.FAIL,
        "no authority is in its time: no signature passes",
    )


def test_files_that_cannot_be_read_fail_by_their_key(tmp_path: Path) -> None:
    text = f'[stir]\nkey = "{tmp_path}/none.key"\ncertificate_url = "{URL}"\n'
    ((grade, what),) = bad(area.signatures(case(tmp_path, text)))
    assert (grade, what) == (Grade.FAIL, f"stir.key: {tmp_path}/none.key: No such file or directory")


def test_who_is_to_be_refused_is_not_without_authorities(tmp_path: Path) -> None:
    text = '[[peers]]\nname = "office"\naddresses = "192.0.2.1"\nverify = "require"\n'
    ((grade, what),) = bad(area.signatures(case(tmp_path, text)))
    assert grade is Grade.FAIL
    assert what.startswith("peer office: verify is require, and no signature is looked at")


def test_without_signatures_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert list(area.signatures(case(tmp_path, ""))) == []
