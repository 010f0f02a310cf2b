"""Certificates from files: what is refused and how it is said, which one is chosen, self-signed ones."""

from __future__ import annotations

import ssl
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.peers.authority import Authority
from trunkline.base.errors import ConfigError
from trunkline.net import CertificateFiles, ListenerTls, SelfSigned
from trunkline.net.tls.certificates import certificate_for, listener_context, load_certificate
from trunkline.net.tls.self_signed import RENEWED_BEFORE, VALID, keep_self_signed

NOW = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def encrypted(files: CertificateFiles) -> bytes:
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )


def a_folder(files: CertificateFiles) -> None:
    files.key.unlink()
    files.key.mkdir()


def other_key(_files: CertificateFiles) -> bytes:
    return rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def of_unknown_kind(files: CertificateFiles) -> None:
    """The public key becomes one of an algorithm that nobody has heard of."""
    der = ssl.PEM_cert_to_DER_cert(files.certificate.read_text())
    known = bytes.fromhex("06072a8648ce3d0201")  # id-ecPublicKey (RFC 5480 §2.1.1)
    assert known in der
    files.certificate.write_text(ssl.DER_cert_to_PEM_cert(der.replace(known, known[:-1] + b"\x7f")))


@pytest.mark.parametrize(
    ("damage", "key", "seen", "expected"),
    [
        (
            lambda files: files.certificate.unlink(),
            "certificate",
            "No such file",
            "certificate, then its chain",
        ),
        (lambda files: files.key.unlink(), "key", "cannot be read: No such file", "the private key"),
        (a_folder, "key", "cannot be read: Is a directory", "the private key"),
        (
            lambda files: files.certificate.write_text("hello"),
            "certificate",
            "no PEM certificate",
            "BEGIN CERT",
        ),
        (lambda files: files.key.write_text("hello"), "key", "no PEM private key", "BEGIN PRIVATE KEY"),
        (
            lambda files: files.key.write_bytes(encrypted(files)),
            "key",
            "key is encrypted",
            "without a password",
        ),
        (lambda files: files.key.write_bytes(other_key(files)), "key", "does not belong to", "was made for"),
        (
            lambda files: files.certificate.write_bytes(files.key.read_bytes()),
            "certificate",
            "no PEM",
            "BEGIN",
        ),
        (
            of_unknown_kind,
            "certificate",
            "a kind that is not known",
            "EC or RSA",
        ),
    ],
)
def test_a_wrong_file_is_named_with_what_is_expected(
    tmp_path: Path, damage: Callable[[CertificateFiles], object], key: str, seen: str, expected: str
) -> None:
    files = Authority(tmp_path).issue("pbx.example")
    damage(files)
    with pytest.raises(ConfigError) as caught:
        load_certificate(CertificateFiles(files.certificate, files.key, "sip.listen[1]"))
    error = caught.value
    assert (error.key, error.source) == (f"sip.listen[1].{key}", "settings")
    assert seen in error.seen
    assert expected in error.expected
    assert str(getattr(files, key)) in error.seen
    assert "secret" not in str(error)


def test_a_certificate_and_its_key_may_share_a_file(authority: Authority, tmp_path: Path) -> None:
    files = authority.issue("Pbx.example", "*.office.example", "192.0.2.1", "sip:pbx.example")
    both = tmp_path / "both.pem"
    both.write_bytes(files.certificate.read_bytes() + files.key.read_bytes())
    loaded = load_certificate(CertificateFiles(both, both))
    assert loaded.names == ("pbx.example", "*.office.example")


@pytest.mark.parametrize(
    ("from_days", "days", "said"),
    [(-30, -1, "has expired on"), (1, 30, "is not valid before"), (-1, 30, "")],
)
def test_a_certificate_out_of_date_is_used_and_told(
    authority: Authority, from_days: float, days: float, said: str
) -> None:
    loaded = load_certificate(authority.issue("old.example", from_days=from_days, days=days))
    complaint = loaded.complaint(datetime.now(UTC))
    assert said in complaint if said else complaint == ""


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("pbx.example", "own"),
        ("a.office.example", "wild"),
        ("B.Office.Example.", "exact"),
        ("nobody.example", "own"),
        ("a.b.office.example", "own"),
        ("office.example", "own"),
    ],
)
def test_an_exact_name_is_chosen_before_a_wildcard_and_the_listeners_own_else(
    authority: Authority, asked: str, shown: str
) -> None:
    named = {
        "own": load_certificate(authority.issue("pbx.example")),
        "wild": load_certificate(authority.issue("*.office.example")),
        "exact": load_certificate(authority.issue("b.office.example")),
    }
    assert certificate_for(asked, named["own"], [named["wild"], named["exact"]]) is named[shown]


@pytest.mark.parametrize(
    ("content", "seen"), [(None, "nothing"), ("hello", "no PEM certificate"), ("", "no PEM certificate")]
)
def test_clients_cannot_be_asked_for_certificates_of_nobody(
    authority: Authority, tmp_path: Path, content: str | None, seen: str
) -> None:
    path = tmp_path / "ca.pem" if content is not None else None
    if path is not None and content is not None:
        path.write_text(content)
    own = load_certificate(authority.issue("pbx.example"))
    with pytest.raises(ConfigError) as caught:
        listener_context(own, [], ListenerTls(None, "require", path, "sip.listen[0]"))
    assert caught.value.key == "sip.listen[0].client_ca"
    assert seen in caught.value.seen


def made(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_a_self_signed_certificate_is_for_all_names_and_for_our_eyes_alone(tmp_path: Path) -> None:
    path = tmp_path / "tls" / "self-signed.pem"
    wanted = SelfSigned(path, ("pbx.example", "192.0.2.1", "2001:db8::1", "pbx.example"))
    assert keep_self_signed(wanted, NOW)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    names = made(path).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["pbx.example"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.1", "2001:db8::1"]
    assert load_certificate(CertificateFiles(path, path)).names == ("pbx.example",)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("later", "names", "renewed"),
    [
        (timedelta(days=1), ("pbx.example",), False),
        (VALID - RENEWED_BEFORE - timedelta(hours=1), ("pbx.example",), False),
        (VALID - RENEWED_BEFORE, ("pbx.example",), True),
        (timedelta(days=1), ("pbx.example", "192.0.2.1"), True),
        (timedelta(days=-1), ("pbx.example",), True),
    ],
)
def test_a_self_signed_certificate_is_renewed_with_its_key(
    tmp_path: Path, later: timedelta, names: tuple[str, ...], renewed: bool
) -> None:
    path = tmp_path / "self-signed.pem"
    keep_self_signed(SelfSigned(path, ("pbx.example",)), NOW)
    first = made(path)
    assert keep_self_signed(SelfSigned(path, names), NOW + later) is renewed
    second = made(path)
    assert (second.serial_number != first.serial_number) is renewed
    assert second.public_key() == first.public_key()


def test_a_damaged_self_signed_certificate_is_made_anew(tmp_path: Path) -> None:
    wanted = SelfSigned(tmp_path / "self-signed.pem", ("pbx.example",))
    wanted.path.write_text("hello")
    assert keep_self_signed(wanted, NOW)
    assert not keep_self_signed(wanted, NOW)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "tls").write_text("a file")
    with pytest.raises(ConfigError, match=r"self-signed\.pem"):
        keep_self_signed(SelfSigned(tmp_path / "tls" / "self-signed.pem", ("pbx.example",)), NOW)
