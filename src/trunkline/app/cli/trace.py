"""``trunkline trace``: the SIP messages of a call or a number as a ladder, as lines of JSON, or as pcap."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from trunkline.app.cli.asking import Asker, exchange
from trunkline.app.cli.completing import call_ids, numbers
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Tenant, span
from trunkline.app.terminal import Screen
from trunkline.app.trace.ladder import Ladder
from trunkline.app.trace.lines import line_of, message_of
from trunkline.app.trace.pcap import PcapWriter
from trunkline.base.errors import ConfigError, RemoteProtocolError, TransportError
from trunkline.base.messages import PastTrace, ReadTrace, Refused, StartTrace, StopTrace, TracedMessage

NOTHING_YET = "trace.nothing_yet"
WAIT_S = 1.0
PIPE_WIDTH = 120


class Output:
    """Where messages go: a ladder or lines of JSON on the screen, and a capture file."""

    def __init__(self, screen: Screen, stack: ExitStack, pcap: Path | None, *, as_json: bool) -> None:
        self._screen = screen
        width = screen.out.width if screen.out.is_terminal else PIPE_WIDTH
        self._ladder = None if as_json else Ladder(width)
        self._pcap = PcapWriter(stack.enter_context(_created(pcap))) if pcap is not None else None
        self.shown = 0
        self.lost = 0

    def show(self, message: TracedMessage) -> None:
        """One message, in the order of times."""
        self.shown += 1
        if self._ladder is None:
            self._screen.line(line_of(message))
        else:
            for line in self._ladder.lines(message):
                self._screen.out.print(line, soft_wrap=True)
        if self._pcap is not None:
            self._pcap.write(message)

    def begin(self, seconds: float | None) -> None:
        """Tell that what comes is shown from now on."""
        end = "Ctrl-C ends it" if seconds is None else f"for {seconds:g} s"
        self._screen.note(f"tracing from now on; {end}")

    def close(self) -> None:
        """Tell what did not fit."""
        if self.lost:
            self._screen.warn(f"{self.lost} messages were lost: there were more than could be read in time")


def trace(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="CALL-ID",
            help="A call, as `trunkline calls` or `trunkline records` shows it.",
            autocompletion=call_ids,
        ),
    ] = None,
    number: Annotated[
        str | None,
        typer.Option(
            "--number",
            metavar="NUMBER",
            help="What comes from or goes to this number from now on.",
            autocompletion=numbers,
        ),
    ] = None,
    sip_call_id: Annotated[
        str | None,
        typer.Option("--sip-call-id", metavar="SIP-CALL-ID", help="One dialog, as phones name it."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="After what was kept of a call, show what comes.")
    ] = False,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--for", parser=span, metavar="TIME", help="End a live trace after so long, such as 60 or 5m."
        ),
    ] = None,
    pcap: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a capture file, for packet tools.")
    ] = None,
    read: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Show a trace that --json has written.")
    ] = None,
    bodies: Annotated[
        bool, typer.Option("--bodies", help="Show texts and key presses too, which are covered otherwise.")
    ] = False,
    tenant: Tenant = None,
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON for each message.")] = False,
) -> None:
    """Show the SIP messages of a call, a number, or everything, as a ladder.

    Without an argument everything is shown from now on, until Ctrl-C. The messages of calls that are over were
    kept if the exchange was told so (`trunkline up --trace`). Digest responses, tokens and media keys
    are covered with x.
    """
    wanted = StartTrace(call=what, number=number, sip_call_id=sip_call_id, bodies=bodies)
    if sum(one is not None for one in (what, number, sip_call_id, read)) > 1:
        raise typer.BadParameter("give only one of CALL-ID, --number, --sip-call-id and --read")
    screen = Screen()
    with ExitStack() as stack:
        output = Output(screen, stack, pcap, as_json=as_json)
        if read is not None:
            messages = _read(read)
        else:
            asker = stack.enter_context(exchange(data, tenant))
            messages = _messages(asker, wanted, output, seconds, follow=follow)
        with suppress(KeyboardInterrupt):
            for message in messages:
                output.show(message)
        output.close()
    if not output.shown and not as_json:
        screen.note("no message was seen")


def _messages(
    asker: Asker, wanted: StartTrace, output: Output, seconds: float | None, *, follow: bool
) -> Iterator[TracedMessage]:
    """What was kept of a call first, then what comes, as far as either is asked for."""
    key = wanted.call or wanted.sip_call_id
    live = key is None
    if key is not None:
        try:
            live = (yield from _past(asker, key)) and follow
        except Refused as refused:
            if not _may_come(refused, wanted, follow=follow):
                raise
            live = True
    if live:
        yield from _live(asker, wanted, output, seconds)


def _may_come(refused: Refused, wanted: StartTrace, *, follow: bool) -> bool:
    """Whether nothing was kept of a call that is up, or of a dialog that may still begin."""
    awaited = follow and wanted.sip_call_id is not None
    return refused.problem.code in ({"call.unknown", NOTHING_YET} if awaited else {NOTHING_YET})


def _past(asker: Asker, key: str) -> Generator[TracedMessage, None, bool]:
    """What was kept; returns whether the call is up."""
    ask = PastTrace(call=key)
    while True:
        page = asker.ask(ask)
        yield from page.rows
        if page.next is None:
            return not page.over
        ask = replace(ask, after=page.next)


def _live(asker: Asker, wanted: StartTrace, output: Output, seconds: float | None) -> Iterator[TracedMessage]:
    end = None if seconds is None else time.monotonic() + seconds
    name = asker.ask(wanted).trace
    output.begin(seconds)
    try:
        while end is None or time.monotonic() < end:
            left = WAIT_S if end is None else min(WAIT_S, end - time.monotonic())
            page = asker.ask(ReadTrace(trace=name, wait_s=max(0.0, left)))
            output.lost += page.lost
            yield from page.rows
            if page.over:
                return
    finally:
        with suppress(Refused, TransportError):
            asker.ask(StopTrace(trace=name))


def _read(path: Path) -> Iterator[TracedMessage]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                yield _message(path, number, line)
    except OSError as error:
        raise ConfigError(
            "command line", "--read", str(path), f"a readable file ({error.strerror})"
        ) from None


def _message(path: Path, number: int, line: bytes) -> TracedMessage:
    try:
        return message_of(line)
    except RemoteProtocolError as error:
        expected = "what `trunkline trace --json` writes"
        raise ConfigError(str(path), f"line {number}", error.reason, expected) from None


def _created(path: Path) -> BinaryIO:
    try:
        return path.open("wb")
    except OSError as error:
        raise ConfigError(
            "command line", "--pcap", str(path), f"a file we may write ({error.strerror})"
        ) from None


def register(app: Commands) -> None:
    """Put the command into the program."""
    app.command(
        examples=[
            "trunkline trace",
            "trunkline trace --number 1001 --for 60",
            "trunkline trace 0193c8a0 --pcap call.pcap",
            "trunkline trace --read call.jsonl",
        ]
    )(trace)
