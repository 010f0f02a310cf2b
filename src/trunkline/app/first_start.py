"""The first start: two extensions, and one clear table that says what to do with them.

Passwords are part of the table on the first start only.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trunkline.app.addresses import HostPort, parse_host_port
from trunkline.app.extension_rules import generate_password
from trunkline.app.settings.file import Loaded
from trunkline.app.terminal import Screen
from trunkline.pbx.route import SERVICE_NUMBERS, Service

FOUND_BY_ITSELF = ("$TRUNKLINE_DATA", "./data exists", "the user's data folder")  # as commands find it too
FIRST_NUMBERS = ("1001", "1002")
SERVICES = {
    Service.TIME: "time: hear what time it is",
    Service.ECHO: "echo: hear yourself",
    Service.TONE: "tone: a steady note",
    Service.TALK_BACK: "talk back: record yourself, then hear it",
}


@dataclass(frozen=True, slots=True)
class NewExtension:
    """An extension to create, with the password in clear text for this one moment."""

    number: str
    name: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StartReport:
    """What the operator should know after a start.

    ``listeners`` are urls with the bound ports, ``server`` is what a phone takes as its server or proxy
    (``host`` or ``host:port``), ``extensions`` are those made just now (empty on later starts),
    ``service_numbers`` pairs of a number and what it does, ``option`` what commands need to find this exchange.
    """

    version: str
    domain: str
    server: str
    listeners: tuple[str, ...]
    data: str
    extensions: tuple[NewExtension, ...] = ()
    service_numbers: tuple[tuple[str, str], ...] = tuple(
        (number, SERVICES[service]) for number, service in SERVICE_NUMBERS.items()
    )
    metrics: str = "off"
    api: str = "off"
    notices: tuple[str, ...] = ()
    option: str = ""


def first_extensions() -> tuple[NewExtension, ...]:
    """Two extensions with random passwords, so that a first call needs nothing else."""
    return tuple(NewExtension(number, f"Phone {number}", generate_password()) for number in FIRST_NUMBERS)


def start_report(
    loaded: Loaded,
    version: str,
    listeners: tuple[str, ...],
    extensions: tuple[NewExtension, ...] = (),
    metrics_port: int = 0,
    notices: tuple[str, ...] = (),
) -> StartReport:
    """The report of these settings; ``listeners`` and ``metrics_port`` are what was really bound.

    ``notices`` are told beside those of the settings.
    """
    advertised = loaded.settings.sip.listen[0].advertised
    if not advertised.port and listeners:
        advertised = replace(advertised, port=parse_host_port(listeners[0].partition(":")[2]).port)
    metrics = loaded.settings.metrics.address
    address = f"http://{metrics.host if ':' not in metrics.host else f'[{metrics.host}]'}" if metrics else ""
    # A mobile gateway alone has no extensions that could dial them.
    services = {} if loaded.settings.exchange.enabled else {"service_numbers": ()}
    return StartReport(
        **services,
        version=version,
        domain=loaded.settings.domain,
        server=str(advertised).removesuffix(":5060"),
        listeners=listeners,
        data=f"{loaded.data.path} ({loaded.data.why})",
        extensions=extensions,
        metrics=f"{address}:{metrics_port or metrics.port}/metrics" if metrics else "off",
        api=_api(loaded),
        notices=(*loaded.notices, *notices),
        option="" if loaded.data.why in FOUND_BY_ITSELF else f"--data {shlex.quote(str(loaded.data.path))}",
    )


def _api(loaded: Loaded) -> str:
    api = loaded.settings.api
    if api.address is None:
        return "off"
    return f"http://{api.address}" + (f", for apps {api.public_url}" if api.public_url else "")


def show_start(screen: Screen, report: StartReport) -> None:
    """Print the report: a framed table on a terminal, plain lines in a pipe or a journal."""
    if screen.out.is_terminal:
        screen.show(start_table(report))
    else:
        for name, value in facts(report):
            screen.line(f"{name:<12} {value}")
    for notice in report.notices:
        screen.note(notice)


def facts(report: StartReport) -> list[tuple[str, str]]:
    """Names and values in the order to read them."""
    lines = [("Trunkline", f"{report.version} is running")]
    lines += [("listening", line) for line in listening_lines(report)]
    lines += [("domain", report.domain), ("data", report.data), ("metrics", report.metrics)]
    if report.api != "off":
        lines.append(("api", report.api))
    lines += [("extension", f"{one.number}  password {one.password}") for one in report.extensions]
    if report.extensions:
        lines += [("in a phone", line) for line in phone_lines(report)]
        lines.append(("note", "the passwords are shown this once: keep them"))
    lines += [("dial", f"{number} for {what}") for number, what in report.service_numbers]
    lines.append(("next", "trunkline status, trunkline registrations, trunkline calls"))
    if report.option:
        lines.append(("next", f"each with {report.option}"))
    return lines


def listening_lines(report: StartReport) -> list[str]:
    """One line for each address: ``0.0.0.0  udp 5060, tcp 5060, tls 5061``."""
    places: dict[str, list[str]] = {}
    for transport, address in _bound(report):
        port = "any port" if address.port is None else str(address.port)
        places.setdefault(address.host, []).append(f"{transport} {port}")
    return [f"{host}  {', '.join(ports)}" for host, ports in places.items()]


def _bound(report: StartReport) -> list[tuple[str, HostPort]]:
    parts = (url.partition(":") for url in report.listeners)
    return [(transport, parse_host_port(rest)) for transport, _, rest in parts]


def phone_lines(report: StartReport) -> list[str]:
    """What to type into the first phone."""
    first = report.extensions[0]
    served = {transport for transport, _ in _bound(report)}
    able = [name.upper() for name in ("udp", "tcp", "tls") if name in served] or ["WebSocket"]
    transports = " or ".join([", ".join(able[:-1]), able[-1]] if able[:-1] else able)
    lines = [f"user name {first.number}, domain {report.domain}, its password; transport {transports}"]
    if report.server != report.domain:
        lines.append(f"server (outbound proxy) {report.server}")
    others = ", ".join(one.number for one in report.extensions[1:])
    return [*lines, f"a second phone as {others}, then dial {others} from the first"] if others else lines


def start_table(report: StartReport) -> RenderableType:
    """The terminal's form."""
    table = Table(box=box.ROUNDED, show_header=False, title=f"Trunkline {report.version}", title_style="bold")
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    previous = ""
    for name, value in facts(report)[1:]:
        if name != previous and name in {"extension", "in a phone", "dial", "next"}:
            table.add_section()
        style = "bold green" if name == "extension" else "yellow" if name == "note" else ""
        table.add_row("" if name == previous else name, Text(value, style=style))
        previous = name
    return Group(table)
