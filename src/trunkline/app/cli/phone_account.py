"""What the options of ``trunkline phone`` say: who it is, where its server is, its password."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from trunkline.app.cli.help import Group
from trunkline.app.control_client import ControlClient
from trunkline.app.data_folder import find_data_folder
from trunkline.app.terminal import Screen
from trunkline.base.errors import ConfigError, TransportError
from trunkline.base.messages import Refused, Status

if TYPE_CHECKING:
    from trunkline.app.phone.account import PhoneAccount, PhoneOptions

PASSWORD_ENV = "TRUNKLINE_PHONE_PASSWORD"  # noqa: S105  (the variable's name)
MAX_PASSWORD = 1024


@dataclass(frozen=True)
class Asked:
    """What the options of the phone say; ``settings`` looks at them when a command needs them."""

    user: str | None
    server: str | None
    transport: str
    domain: str | None
    password_file: Path | None
    password: str | None
    name: str
    options: dict[str, Any]
    data: Path | None
    as_json: bool

    def settings(self) -> Settings:
        """Raises ConfigError."""
        from trunkline.app.phone.account import PhoneOptions, make_account  # noqa: PLC0415  (imports the media engine)

        if not self.user:
            raise typer.BadParameter("missing option --user: who is the phone?")
        screen = Screen()
        options = PhoneOptions(**self.options)
        secret = _password(screen, self.password_file, self.password, self.user)
        if not options.verify:
            screen.warn("--insecure: whoever is on the way can read the password and the calls")
        server, domain = self.server, self.domain or ""
        if server is None:
            server, found = own_exchange(self.data, self.transport.upper())
            domain = domain or found
        account = make_account(self.user, secret, server, self.transport, domain, self.name)
        return Settings(screen, account, options, self.as_json)


@dataclass(frozen=True)
class Settings:
    """A phone that can be made."""

    screen: Screen
    account: PhoneAccount
    options: PhoneOptions
    as_json: bool


class PhoneGroup(Group):
    """Takes the options of the phone before its command and behind it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(self._in_front(args)))

    def _in_front(self, args: list[str]) -> Iterator[str]:
        """Our own options first, everything else as it stands."""
        ours = {name: one for one in self.params for name in one.opts}
        rest, waiting = list[str](), iter(args)
        for word in waiting:
            name, given, _ = word.partition("=")
            option: Any = ours.get(name)
            if option is None:
                rest.append(word)
                if word == "--":
                    break
                continue
            yield word
            if not option.is_flag and not given:
                yield from islice(waiting, 1)
        yield from (*rest, *waiting)


def own_exchange(data: Path | None, transport: str) -> tuple[str, str]:
    """Address and domain of the exchange that runs with this data folder; the usual address when none does."""
    try:
        with ControlClient(find_data_folder(data).socket) as client:
            state = client.ask(Status())
    except (TransportError, Refused):
        return "127.0.0.1", ""
    for listener in state.listeners:
        kind, _, address = listener.url.partition(":")
        if kind.upper() == transport:
            # A socket on all addresses is reached by loopback.
            for everywhere, here in (("0.0.0.0:", "127.0.0.1:"), ("[::]:", "[::1]:")):
                address = (
                    here + address.removeprefix(everywhere) if address.startswith(everywhere) else address
                )
            return address, state.domain
    raise ConfigError(
        "command line",
        "--transport",
        transport.lower(),
        "one that the exchange of the data folder listens on",
    )


def codecs_of(text: str) -> tuple[str, ...]:
    names = tuple(name.strip().upper() for name in text.split(",") if name.strip())
    if not names or not set(names) <= {"PCMU", "PCMA"}:
        raise ConfigError("command line", "--codecs", repr(text), "PCMU, PCMA or both, in our order")
    return names


def _password(screen: Screen, file: Path | None, given: str | None, user: str) -> str:
    if given is not None:
        screen.warn(f"--password shows in the process list: use --password-file or ${PASSWORD_ENV}")
        return given
    if file is not None:
        try:
            with file.open(encoding="utf-8") as text:
                return text.readline(MAX_PASSWORD).rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
            raise ConfigError(
                "command line", "--password-file", str(file), f"a readable text file ({why})"
            ) from None
    if (found := os.environ.get(PASSWORD_ENV)) is not None:
        return found
    if sys.stdin.isatty():
        return str(typer.prompt(f"password of {user}", hide_input=True, err=True))
    raise typer.BadParameter(f"no password: give it by --password-file FILE, or in ${PASSWORD_ENV}")
