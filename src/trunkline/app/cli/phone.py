"""``trunkline phone``: a telephone without a screen, for trials and scripts."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trunkline.app.cli.options import Data, Json, examples
from trunkline.app.control_client import ControlClient
from trunkline.app.data_folder import find_data_folder
from trunkline.app.terminal import Screen
from trunkline.base.errors import ConfigError, TransportError
from trunkline.base.messages import Refused, Status

if TYPE_CHECKING:
    from trunkline.app.phone.account import PhoneAccount, PhoneOptions
    from trunkline.app.phone.softphone import Softphone
    from trunkline.app.phone.tasks import Talk

PASSWORD_ENV = "TRUNKLINE_PHONE_PASSWORD"  # noqa: S105  (the variable's name)
MAX_PASSWORD = 1024
STOPPED = "told to stop"


@dataclass(frozen=True)
class Settings:
    """What the options before the command say."""

    screen: Screen
    account: PhoneAccount
    options: PhoneOptions
    as_json: bool


app = typer.Typer(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "trunkline phone --user 1001 --password-file 1001.txt register",
        "trunkline phone --user 1001 --server 192.0.2.1 call 9196 --duration 3",
        "trunkline phone --user 1002 answer --echo",
        "trunkline phone --user 1001 < commands.txt",
    )
    + "\n\nExit codes: 0 registered, or the call was answered and has ended; 1 refused, with the SIP status told; "
    "2 wrong option; 3 the server does not answer; 4 nobody called; 5 the expected tone was not heard.",
)


@app.callback()
def phone(
    context: typer.Context,
    user: Annotated[str, typer.Option("--user", metavar="USER", help="User name: the extension's number.")],
    server: Annotated[
        str | None,
        typer.Option(
            "--server",
            metavar="HOST[:PORT]",
            help="Where to register and call. Default: the exchange of the data folder if it runs, else 127.0.0.1.",
        ),
    ] = None,
    transport: Annotated[str, typer.Option(metavar="TRANSPORT", help="udp, tcp or tls.")] = "udp",
    domain: Annotated[
        str | None,
        typer.Option(metavar="DOMAIN", help="The part behind @. Default: the exchange's, else the server."),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help=f"Its first line is the password. Default: ${PASSWORD_ENV}, else asked."
        ),
    ] = None,
    password: Annotated[
        str | None,
        typer.Option(metavar="PASSWORD", help="For trials: others can see it in the process list."),
    ] = None,
    name: Annotated[str, typer.Option(metavar="NAME", help="The name that callees see.")] = "",
    local: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Our address. Default: the one that leads to the server.")
    ] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Our SIP port; 0 is any free one.")] = 0,
    expires: Annotated[int, typer.Option(min=1, max=86_400, help="Seconds to register for.")] = 3600,
    ca: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="PEM file of whom TLS trusts. Default: the system's list."),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="TLS: take any certificate. For trials alone.")
    ] = False,
    codecs: Annotated[str, typer.Option(metavar="NAMES", help="PCMU, PCMA, in our order.")] = "PCMU,PCMA",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """A telephone without a screen: register, call, answer; without a command it takes them line by line."""
    from trunkline.app.phone.account import PhoneOptions, make_account  # noqa: PLC0415  (imports the media engine)

    screen = Screen()
    secret = _password(screen, password_file, password, user)
    options = PhoneOptions(local, port, expires, ca, not insecure, _codecs(codecs))
    if insecure:
        screen.warn("--insecure: whoever is on the way can read the password and the calls")
    if server is None:
        server, found = _own_exchange(data, transport.upper())
        domain = domain or found
    context.obj = Settings(
        screen, make_account(user, secret, server, transport, domain or "", name), options, as_json
    )
    if context.invoked_subcommand is None:
        _interactive(context.obj)


def _own_exchange(data: Path | None, transport: str) -> tuple[str, str]:
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


def _codecs(text: str) -> tuple[str, ...]:
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
            raise ConfigError(
                "command line", "--password-file", str(file), f"a readable text file ({error})"
            ) from None
    if (found := os.environ.get(PASSWORD_ENV)) is not None:
        return found
    if sys.stdin.isatty():
        return str(typer.prompt(f"password of {user}", hide_input=True, err=True))
    raise ConfigError("command line", "--password-file", "nothing", f"a file, or ${PASSWORD_ENV}")


Play = Annotated[Path | None, typer.Option(metavar="FILE", help="Play this WAV file, then hang up.")]
Tone = Annotated[float | None, typer.Option(min=1, max=3999, metavar="HZ", help="Play a steady tone.")]
Echo = Annotated[bool, typer.Option("--echo", help="Say what is heard.")]
Record = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Record what is heard into a new WAV file.")
]
Dtmf = Annotated[str, typer.Option(metavar="KEYS", help="Press keys, such as 123#; a comma waits a second.")]
Duration = Annotated[float | None, typer.Option(min=0, metavar="S", help="Hang up so long after the answer.")]
Expect = Annotated[
    float | None, typer.Option(min=1, max=3999, metavar="HZ", help="End with 5 unless this tone was heard.")
]


@app.command(epilog=examples("trunkline phone --user 1001 --password-file 1001.txt register"))
def register(
    context: typer.Context,
    seconds: Annotated[
        float | None, typer.Option(min=0, metavar="S", help="Stay registered so long.")
    ] = None,
) -> None:
    """Register once, and take the registration off again."""

    async def work(phone: Softphone) -> int:
        from trunkline.app.phone.tasks import stay_registered  # noqa: PLC0415

        return await stay_registered(phone, seconds)

    _run(context.obj, work)


@app.command(epilog=examples("trunkline phone --user 1001 call 9197 --duration 2 --expect-tone 440"))
def call(
    context: typer.Context,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Whom to call.")],
    play: Play = None,
    tone: Tone = None,
    echo: Echo = False,
    record: Record = None,
    dtmf: Dtmf = "",
    duration: Duration = None,
    expect_tone: Expect = None,
    ring: Annotated[float, typer.Option(min=1, metavar="S", help="Give up after so long.")] = 60.0,
) -> None:
    """Call a number. Keys are sent by SIP INFO."""
    talk = _talk(play, tone, echo, record, dtmf, duration, expect_tone)

    async def work(phone: Softphone) -> int:
        from trunkline.app.phone import tasks  # noqa: PLC0415

        return await tasks.call(phone, number, talk, ring)

    _run(context.obj, work)


@app.command(epilog=examples("trunkline phone --user 1002 answer --after 2 --echo --count 3"))
def answer(
    context: typer.Context,
    after: Annotated[float, typer.Option(min=0, metavar="S", help="Ring so long first.")] = 0.0,
    count: Annotated[int, typer.Option(min=1, metavar="N", help="How many calls to take.")] = 1,
    wait: Annotated[
        float | None, typer.Option(min=0, metavar="S", help="End with 4 when nobody calls for so long.")
    ] = None,
    refuse: Annotated[
        int, typer.Option(metavar="STATUS", help="Refuse with this SIP status, such as 486, instead.")
    ] = 0,
    play: Play = None,
    tone: Tone = None,
    echo: Echo = False,
    record: Record = None,
    dtmf: Dtmf = "",
    duration: Duration = None,
    expect_tone: Expect = None,
) -> None:
    """Register and answer calls. Keys are sent by SIP INFO."""
    if refuse and not 300 <= refuse <= 699:
        raise typer.BadParameter("--refuse takes a status from 300 to 699, such as 486")
    talk = _talk(play, tone, echo, record, dtmf, duration, expect_tone)

    async def work(phone: Softphone) -> int:
        from trunkline.app.phone import tasks  # noqa: PLC0415

        return await tasks.answer(phone, talk, count=count, after_s=after, wait_s=wait, refuse=refuse)

    _run(context.obj, work)


def _talk(
    play: Path | None,
    tone: float | None,
    echo: bool,
    record: Path | None,
    dtmf: str,
    duration: float | None,
    expect: float | None,
) -> Talk:
    from trunkline.app.phone.tasks import Talk  # noqa: PLC0415

    if (play is not None) + (tone is not None) + echo > 1:
        raise typer.BadParameter("give only one of --play, --tone and --echo")
    if play is not None and not play.is_file():
        raise typer.BadParameter(f"--play: there is no file {play}")
    if record is not None and record.exists():
        raise typer.BadParameter(f"--record: {record} exists already")
    if wrong := set(dtmf.upper()) - set("0123456789*#ABCD,"):
        raise typer.BadParameter(f"--dtmf: {''.join(sorted(wrong))} is no key: 0 to 9, *, #, A to D, comma")
    return Talk(_absolute(play), tone, echo, _absolute(record), dtmf, duration, expect)


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()


def _interactive(settings: Settings) -> None:
    async def work(phone: Softphone) -> int:
        from trunkline.app.phone.console import Console, Told  # noqa: PLC0415

        told = Told(phone.tell)
        phone.tell = told
        await phone.register()
        return await Console(phone, told, sys.stdin).run()

    _run(settings, work)


def _run(settings: Settings, work: Callable[[Softphone], Coroutine[Any, Any, int]]) -> None:
    """Run a phone; Ctrl-C hangs up and takes the registration off."""
    from trunkline.app.phone.outcome import PhoneFailed  # noqa: PLC0415
    from trunkline.app.phone.softphone import Softphone  # noqa: PLC0415
    from trunkline.app.phone.telling import Teller  # noqa: PLC0415

    async def main() -> int:
        teller = Teller(settings.screen, as_json=settings.as_json)
        async with Softphone(settings.account, settings.options, teller) as phone:
            return await _until_told_to_stop(work(phone))

    try:
        code = asyncio.run(main())
    except PhoneFailed as failed:
        settings.screen.error(str(failed))
        raise typer.Exit(failed.code) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    raise typer.Exit(code)


async def _until_told_to_stop(work: Coroutine[Any, Any, int]) -> int:
    """The work's exit code; 0 when SIGTERM ends it."""
    task = asyncio.create_task(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel, STOPPED)
    try:
        return await task
    except asyncio.CancelledError as cancelled:
        if cancelled.args != (STOPPED,):
            raise
        return 0
