"""Certificates read anew because somebody asked for it: all of them at once, or an error and none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.authority import Authority
from trunkline.base.errors import ConfigError
from trunkline.net import Listener, ListenerTls, SelfSigned, TlsSettings
from trunkline.net.tls.contexts import Tls


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def test_a_new_certificate_is_taken_over_at_once(authority: Authority) -> None:
    listener = Listener("tls:127.0.0.1:5061")
    tls = Tls(TlsSettings((authority.issue("pbx.example"),)))
    tls.prepare([listener])
    before = tls.server_context(listener)
    authority.issue("pbx.example")
    assert tls.read_anew() == 1
    taken = tls.server_context(listener)
    assert taken is not before
    tls.reload()
    assert tls.server_context(listener) is taken


def test_a_broken_file_is_an_error_and_the_old_certificate_stays(authority: Authority) -> None:
    listener = Listener("tls:127.0.0.1:5061")
    files = authority.issue("pbx.example")
    tls = Tls(TlsSettings((files,)))
    tls.prepare([listener])
    before = tls.server_context(listener)
    files.key.write_text("half a file")
    with pytest.raises(ConfigError, match="no PEM private key"):
        tls.read_anew()
    assert tls.server_context(listener) is before


def test_a_look_finds_what_reading_anew_would_and_changes_nothing(authority: Authority) -> None:
    listener = Listener("tls:127.0.0.1:5061")
    files = authority.issue("pbx.example")
    tls = Tls(TlsSettings((files,)))
    tls.prepare([listener])
    before = tls.server_context(listener)
    authority.issue("pbx.example")
    tls.check()
    assert tls.server_context(listener) is before
    files.key.write_text("half a file")
    with pytest.raises(ConfigError, match="no PEM private key"):
        tls.check()


def test_a_look_reads_what_listeners_to_come_need(authority: Authority, tmp_path: Path) -> None:
    tls = Tls(TlsSettings((), None, SelfSigned(tmp_path / "own.pem", ("pbx.example",))))
    tls.prepare([])
    tls.check([Listener("tls:127.0.0.1:5061")])
    assert not (tmp_path / "own.pem").exists()
    own = ListenerTls(None, "require", tmp_path / "clients.pem", "sip.listen[0]")
    with pytest.raises(
        ConfigError, match=r"sip\.listen\[0\]\.client_ca: saw .*clients\.pem, which cannot be read"
    ):
        tls.check([Listener("tls:127.0.0.1:5061", tls=own)])
    files = authority.issue("pbx.example")
    files.certificate.write_text("no certificate")
    with pytest.raises(ConfigError, match="no PEM certificate"):
        tls.check([Listener("tls:127.0.0.1:5061", tls=ListenerTls(files, where="sip.listen[0]"))])


def test_without_tls_there_is_nothing_to_read() -> None:
    tls = Tls(TlsSettings())
    tls.prepare([Listener("udp:127.0.0.1:5060")])
    assert tls.read_anew() == 0
    tls.check()
