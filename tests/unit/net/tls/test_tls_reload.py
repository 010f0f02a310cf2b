"""Certificates are taken over when their files change, and not when they are broken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.peers.authority import Authority
from trunkline.base.errors import ConfigError
from trunkline.net import CertificateFiles, Listener, ListenerTls, SelfSigned, TlsSettings
from trunkline.net.tls.contexts import Tls
from trunkline.net.tls.self_signed import VALID


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def listener() -> Listener:
    return Listener("tls:127.0.0.1:5061")


def prepared(listener: Listener, *files: CertificateFiles, ca: Path | None = None) -> Tls:
    tls = Tls(TlsSettings(files, ca))
    tls.prepare([listener, Listener("udp:127.0.0.1:5060")])
    return tls


def looked_twice(tls: Tls) -> list[str]:
    """The events that were logged while a change was seen, and seen again."""
    with capture_logs() as logs:
        tls.reload()
        tls.reload()
        tls.reload()
    return [f"{entry['event']} {entry.get('why', '')}".strip() for entry in logs]


def test_a_new_certificate_is_taken_over_once(authority: Authority, listener: Listener) -> None:
    tls = prepared(listener, authority.issue("pbx.example"))
    before = tls.server_context(listener)
    assert looked_twice(tls) == []
    assert tls.server_context(listener) is before
    authority.issue("pbx.example")
    assert looked_twice(tls) == ["tls.reloaded"]
    assert tls.server_context(listener) is not before


def test_a_change_is_taken_over_only_when_it_has_settled(authority: Authority, listener: Listener) -> None:
    files = authority.issue("pbx.example")
    tls = prepared(listener, files)
    before = tls.server_context(listener)
    renewed = authority.issue("pbx.example", file="renewed")
    renewed.certificate.replace(files.certificate)
    with capture_logs() as logs:
        tls.reload()  # the key is still the old one
        renewed.key.replace(files.key)
        tls.reload()
        assert tls.server_context(listener) is before
        tls.reload()
    assert tls.server_context(listener) is not before
    assert [entry["event"] for entry in logs] == ["tls.reloaded"]


@pytest.mark.parametrize("which", ["certificate", "key"])
def test_a_broken_file_is_said_once_and_the_old_certificate_stays(
    authority: Authority, listener: Listener, which: str
) -> None:
    files = authority.issue("pbx.example")
    tls = prepared(listener, files)
    before = tls.server_context(listener)
    path: Path = getattr(files, which)
    path.write_text("half a file")
    (event,) = looked_twice(tls)
    assert event.startswith("tls.not_reloaded")
    assert str(path) in event
    assert "stays in use" in event
    assert tls.server_context(listener) is before
    path.unlink()
    assert looked_twice(tls)[0].startswith("tls.not_reloaded")
    authority.issue("pbx.example")
    assert looked_twice(tls) == ["tls.reloaded"]


def test_authorities_are_taken_over_too(authority: Authority, tmp_path: Path) -> None:
    listener = Listener("wss:127.0.0.1:0", tls=ListenerTls(None, "require", authority.ca))
    other = Authority(tmp_path / "other")
    tls = prepared(listener, authority.issue("pbx.example"), ca=other.ca)
    server, client = tls.server_context(listener), tls.client_context()
    assert tls.client_context() is client
    fresh = tmp_path / "fresh.pem"
    fresh.write_bytes(authority.ca.read_bytes())
    fresh.replace(other.ca)  # another file, whatever its length and time
    assert looked_twice(tls) == ["tls.reloaded"]
    assert tls.client_context() is not client
    assert tls.server_context(listener) is not server


def test_our_own_certificate_is_renewed_while_we_run(tmp_path: Path, listener: Listener) -> None:
    now = [datetime.now(UTC)]
    tls = Tls(TlsSettings(self_signed=SelfSigned(tmp_path / "own.pem", ("pbx.example",))), lambda: now[0])
    tls.prepare([listener])
    assert [notice.partition(":")[0] for notice in tls.notices()] == [
        f"TLS shows a self-signed certificate ({tmp_path / 'own.pem'})"
    ]
    assert looked_twice(tls) == []
    now[0] += VALID - timedelta(days=10)
    assert looked_twice(tls) == ["tls.self_signed_made", "tls.reloaded"]
    assert list(tls.warnings()) == []


def test_a_certificate_that_ends_is_warned_of(authority: Authority, listener: Listener) -> None:
    expired = authority.issue("old.example", from_days=-30, days=-1)
    soon = authority.issue("soon.example", days=5)
    first, second = prepared(listener, expired, soon, authority.issue("good.example")).warnings()
    assert "has expired" in first
    assert f"{soon.certificate} expires on" in second


def test_without_tls_listeners_nothing_is_read(tmp_path: Path) -> None:
    missing = tmp_path / "none.pem"
    tls = Tls(TlsSettings((CertificateFiles(missing, missing),), missing, SelfSigned(tmp_path / "x", ("a",))))
    tls.prepare([Listener("udp:127.0.0.1:0")])
    assert not tls.in_use
    assert looked_twice(tls) == []
    assert list(tmp_path.iterdir()) == []


def test_an_authority_that_cannot_be_read_stops_the_start(authority: Authority, listener: Listener) -> None:
    files = authority.issue("pbx.example")
    with pytest.raises(ConfigError, match=r"settings: sip\.tls\.ca: saw .*none\.pem, which cannot be read"):
        prepared(listener, files, ca=authority.folder / "none.pem")
    with pytest.raises(ConfigError, match=r"which has no PEM certificate"):
        prepared(listener, files, ca=files.key)
