"""``trunkline phone``: a telephone without a screen, for trials and scripts."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trunkline.app.cli.help import Commands, epilog_of
from trunkline.app.cli.options import Data, Json, span
from trunkline.app.cli.phone_account import PASSWORD_ENV, Asked, PhoneGroup, codecs_of

if TYPE_CHECKING:
    from trunkline.app.phone.softphone import Softphone
    from trunkline.app.phone.tasks import Talk

STOPPED = "told to stop"
ACCOUNT = (
    "The options of the phone (--user, --server and so on, see `trunkline phone --help`) may stand here too."
)

app = Commands(
    "A telephone without a screen: register, call and answer from the command line.\n\n"
    "Without a command it registers and takes commands line by line; `help` lists them. The options below may "
    "stand before a command or behind it.",
    group=PhoneGroup,
    invoke_without_command=True,
    no_args_is_help=True,
    epilog=epilog_of(
        [
            "trunkline phone register --user 1001 --password-file 1001.txt",
            "trunkline phone call 9196 --user 1001 --server 192.0.2.1 --duration 3",
            "trunkline phone answer --user 1002 --echo",
            "trunkline phone --user 1001 < commands.txt",
        ],
        "Exit codes: 0 registered, or the call was answered and has ended; 1 refused, with the SIP status told; "
        "2 wrong option; 3 the server does not answer; 4 nobody called; 5 the expected tone was not heard.",
    ),
)


@app.callback()
def phone(
    context: typer.Context,
    user: Annotated[
        str | None,
        typer.Option("--user", metavar="USER", help="User name: the extension's number. Required."),
    ] = None,
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
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="PORT", help="Our SIP port. Default: any free one.")
    ] = 0,
    expires: Annotated[
        int, typer.Option(min=1, max=86_400, metavar="SECONDS", help="How long a registration is to last.")
    ] = 3600,
    ca: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="PEM file of whom TLS trusts. Default: the system's list."),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="TLS: take any certificate. For trials alone.")
    ] = False,
    codecs: Annotated[str, typer.Option(metavar="NAMES", help="PCMU and PCMA, in our order.")] = "PCMU,PCMA",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """The options of the phone, for whichever command follows."""
    names = codecs_of(codecs)
    options = {
        "local": local,
        "port": port,
        "expires_s": expires,
        "ca": ca,
        "verify": not insecure,
        "codecs": names,
    }
    context.obj = Asked(
        user, server, transport, domain, password_file, password, name, options, data, as_json
    )
    if context.invoked_subcommand is None:
        _interactive(context.obj)


Play = Annotated[Path | None, typer.Option(metavar="FILE", help="Play this WAV file, then hang up.")]
Tone = Annotated[float | None, typer.Option(min=1, max=3999, metavar="HZ", help="Play a steady tone.")]
Echo = Annotated[bool, typer.Option("--echo", help="Say what is heard.")]
Record = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Record what is heard into a new WAV file.")
]
Dtmf = Annotated[
    str,
    typer.Option(metavar="KEYS", help="Press keys, such as 123#; a comma waits a second."),
]
Duration = Annotated[
    float | None,
    typer.Option(parser=span, metavar="TIME", help="Hang up so long after the answer, such as 3 or 5m."),
]
Expect = Annotated[
    float | None, typer.Option(min=1, max=3999, metavar="HZ", help="End with 5 unless this tone was heard.")
]


@app.command(
    examples=["trunkline phone register --user 1001 --password-file 1001.txt --for 1h"], notes=ACCOUNT
)
def register(
    context: typer.Context,
    seconds: Annotated[
        float | None,
        typer.Option("--for", parser=span, metavar="TIME", help="Stay registered so long, such as 60 or 8h."),
    ] = None,
) -> None:
    """Register, and take the registration off again."""

    async def work(phone: Softphone) -> int:
        from trunkline.app.phone.tasks import stay_registered  # noqa: PLC0415

        return await stay_registered(phone, seconds)

    _run(context.obj, work)


@app.command(examples=["trunkline phone call 9197 --user 1001 --duration 2 --expect-tone 440"], notes=ACCOUNT)
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
    ring: Annotated[
        float,
        typer.Option(
            parser=span, metavar="TIME", help="Give up when nobody answers for so long. Default: 1m."
        ),
    ] = 60.0,
) -> None:
    """Call a number.

    It hangs up after --duration, at the end of the file that it plays, after the keys, or when the other side does.
    """
    talk = _talk(play, tone, echo, record, dtmf, duration, expect_tone)

    async def work(phone: Softphone) -> int:
        from trunkline.app.phone import tasks  # noqa: PLC0415

        return await tasks.call(phone, number, talk, ring)

    _run(context.obj, work)


@app.command(examples=["trunkline phone answer --user 1002 --after 2 --echo --count 3"], notes=ACCOUNT)
def answer(
    context: typer.Context,
    after: Annotated[float, typer.Option(parser=span, metavar="TIME", help="Ring so long first.")] = 0.0,
    count: Annotated[int, typer.Option(min=1, metavar="N", help="How many calls to take.")] = 1,
    wait: Annotated[
        float | None,
        typer.Option(parser=span, metavar="TIME", help="End with 4 when nobody calls for so long."),
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
    """Register and answer calls."""
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


def _interactive(asked: Asked) -> None:
    async def work(phone: Softphone) -> int:
        from trunkline.app.phone.console import Console, Told  # noqa: PLC0415

        told = Told(phone.tell)
        phone.tell = told
        await phone.register()
        return await Console(phone, told, sys.stdin).run()

    _run(asked, work)


def _run(asked: Asked, work: Callable[[Softphone], Coroutine[Any, Any, int]]) -> None:
    """Run a phone; Ctrl-C hangs up and takes the registration off."""
    from trunkline.app.logs import setup_logs  # noqa: PLC0415
    from trunkline.app.phone.outcome import PhoneFailed  # noqa: PLC0415
    from trunkline.app.phone.softphone import Softphone  # noqa: PLC0415
    from trunkline.app.phone.telling import Teller  # noqa: PLC0415

    settings = asked.settings()
    setup_logs("warning", "text")  # such as a server whose certificate is not accepted

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
