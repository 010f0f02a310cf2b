"""What the phone is told on the command line, and what it says of wrong words, before any socket is open."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from trunkline.app.cli import app
from trunkline.app.cli.phone_account import PASSWORD_ENV
from trunkline.app.phone.account import make_account
from trunkline.base.errors import ConfigError


def run(*arguments: str, password: str | None = "secret") -> Result:  # noqa: S107  (a test's)
    environment = {"TRUNKLINE_DATA": "/nowhere", PASSWORD_ENV: password}
    return CliRunner().invoke(app, ["phone", "--user", "1001", *arguments], env=environment)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--transport", "carrier-pigeon", "register"), "one of udp, tcp, tls"),
        (("--server", "a:b:c", "register"), "HOST or HOST:PORT"),
        (("--server", "", "register"), "HOST or HOST:PORT"),
        (("--codecs", "opus", "register"), "PCMU, PCMA"),
        (("--password-file", "/nowhere/at-all", "register"), "a readable text file"),
        (("call",), "NUMBER"),
        (("call", "1", "--echo", "--tone", "400"), "only one of"),
        (("call", "1", "--play", "/nowhere.wav"), "there is no file"),
        (("call", "1", "--record", "/dev/null"), "exists already"),
        (("call", "1", "--dtmf", "12x"), "X is no key"),
        (("call", "1", "--expect-tone", "9000"), "3999"),
        (("answer", "--refuse", "200"), "300 to 699"),
        (("answer", "--count", "0"), "1"),
        (("dance",), "no such command"),
    ],
)
def test_wrong_words_end_with_2_and_say_what_is_expected(arguments: tuple[str, ...], words: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2, done.output
    assert words in " ".join(done.stderr.replace("│", " ").split())


def test_a_password_has_to_come_from_somewhere() -> None:
    done = run("register", password=None)
    assert done.exit_code == 2
    assert PASSWORD_ENV in done.stderr


def test_a_password_on_the_command_line_is_warned_of() -> None:
    done = run("--password", "geheim", "--transport", "x", "register")
    assert "process list" in done.stderr
    assert "geheim" not in done.output


def test_a_name_without_address_ends_with_3(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    done = run("--password-file", str(tmp_path / "password"), "--server", "no.such.host.invalid", "register")
    assert done.exit_code == 3
    assert "has no address" in done.stderr


def test_help_names_the_exit_codes() -> None:
    assert "4 nobody called" in " ".join(run("--help").stdout.split())


@pytest.mark.parametrize(
    ("server", "transport", "host", "port", "domain"),
    [
        ("192.0.2.1", "udp", "192.0.2.1", 5060, "192.0.2.1"),
        ("pbx.example.com", "tls", "pbx.example.com", 5061, "pbx.example.com"),
        ("pbx.example.com:5080", "TCP", "pbx.example.com", 5080, "pbx.example.com"),
        ("[2001:db8::1]:5070", "udp", "[2001:db8::1]", 5070, "[2001:db8::1]"),
        ("fe80::1%eth0", "udp", "fe80::1%eth0", 5060, "[fe80::1]"),
    ],
)
def test_a_server_is_host_and_port(server: str, transport: str, host: str, port: int, domain: str) -> None:
    account = make_account("1001", "secret", server, transport)
    assert (account.port, account.domain, account.transport) == (port, domain, transport.upper())
    assert account.host.strip("[]") == host.strip("[]")


def test_numbers_become_uris_of_the_domain_unless_they_say_more() -> None:
    account = make_account("1001", "secret", "192.0.2.1", "udp", "pbx.test", 'Ann "A"')
    assert account.uri_of("1002") == "sip:1002@pbx.test"
    assert account.uri_of("*98#") == "sip:*98%23@pbx.test"
    assert account.uri_of("bob@example.com") == "sip:bob@example.com"
    assert account.uri_of("sips:bob@example.com") == "sips:bob@example.com"
    assert account.address == '"Ann \\"A\\"" <sip:1001@pbx.test>'
    assert "secret" not in repr(account)


def test_another_transport_is_refused_by_its_name() -> None:
    with pytest.raises(ConfigError, match="--transport"):
        make_account("1001", "secret", "192.0.2.1", "ws")
