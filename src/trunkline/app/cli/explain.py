"""Why: explanations of calls and registrations that were, are, or are only described."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.app.cli.asking import exchange
from trunkline.app.cli.completing import call_ids, numbers, transports
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Json, Tenant, span
from trunkline.app.render_stories import show_explanation, show_history
from trunkline.app.terminal import Screen
from trunkline.base.messages import (
    ExplainCall,
    ExplainNumber,
    ExplainRegister,
    Explanation,
    RecentRegisters,
    RegisterHistory,
    Request,
)

MOST = 20

What = Annotated[
    str | None,
    typer.Argument(
        metavar="NUMBER|CALL-ID",
        help="With --from a number or SIP URI to dial, else a call that was.",
        autocompletion=call_ids,
    ),
]
Caller = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="NUMBER",
        help="A dry run: what if this extension dialled it?",
        autocompletion=numbers,
    ),
]
Registers = Annotated[
    str | None,
    typer.Option(
        "--register",
        metavar="NUMBER",
        help="How this number registers; with one of the options below, what if it did so?",
        autocompletion=numbers,
    ),
]
Source = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="From this address. Default: where the caller is registered."),
]
Transport = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="By udp, tcp, tls, ws or wss.", autocompletion=transports),
]
Domain = Annotated[
    str | None, typer.Option(metavar="DOMAIN", help="With this domain. Default: the tenant's.")
]
Contact = Annotated[str | None, typer.Option(metavar="URI", help="With --register: with this Contact.")]
Expires = Annotated[
    str | None, typer.Option(metavar="TIME", help="With --register: for so long; 0 to leave.")
]
Last = Annotated[
    int | None,
    typer.Option(min=1, max=MOST, metavar="N", help="With --register: so many attempts. Default: 5."),
]


def explain(
    what: What = None,
    caller: Caller = None,
    register: Registers = None,
    source: Source = None,
    transport: Transport = None,
    domain: Domain = None,
    contact: Contact = None,
    expires: Expires = None,
    last: Last = None,
    tenant: Tenant = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Tell why a call or a registration went as it did, or how it would go.

    What was is told from its story; what would be is decided as the exchange decides, without doing it.
    """
    described = (source, transport, domain, contact, expires)
    _check(what, caller, register, contact or expires, last, described)
    if register is None:
        request: Request[Explanation] = ExplainCall(call=what or "")
        if caller is not None:
            request = ExplainNumber(
                number=what or "", caller=caller, source=source, transport=transport, domain=domain
            )
    elif any(one is not None for one in described):
        request = ExplainRegister(
            number=register,
            source=source,
            transport=transport,
            domain=domain,
            contact=contact,
            expires_s=None if expires is None else int(span(expires)),
        )
    else:
        _recent(register, last or 5, tenant, data, as_json=as_json)
        return
    screen = Screen()
    with exchange(data, tenant) as asker:
        explanation = asker.ask(request)
    if as_json:
        screen.json(explanation)
    else:
        show_explanation(screen, explanation)


def _recent(number: str, last: int, tenant: Tenant, data: Data, *, as_json: bool) -> None:
    screen = Screen()
    with exchange(data, tenant) as asker:
        history: RegisterHistory = asker.ask(RecentRegisters(number=number, last=last))
    if as_json:
        screen.json(history)
    else:
        show_history(screen, history)


def _check(
    what: str | None,
    caller: str | None,
    register: str | None,
    of_register: str | None,
    last: int | None,
    described: tuple[str | None, ...],
) -> None:
    """Raises BadParameter for options that do not go together."""
    if (what is None) is (register is None):
        raise typer.BadParameter("expected a NUMBER or a CALL-ID, or --register", param_hint="NUMBER|CALL-ID")
    if register is not None and caller is not None:
        raise typer.BadParameter("--from is about calls, and --register is not", param_hint="--from")
    if register is None and (of_register is not None or last is not None):
        raise typer.BadParameter("--contact, --expires and --last go with --register")
    if last is not None and any(one is not None for one in described):
        raise typer.BadParameter(
            "--last is about attempts that were, and not about a dry run", param_hint="--last"
        )
    if register is None and caller is None and any(one is not None for one in described):
        raise typer.BadParameter("--source, --transport and --domain go with --from or --register")


def register(app: Commands) -> None:
    """Put the command into the program."""
    app.command(
        examples=[
            "trunkline explain 1002 --from 1001",
            "trunkline explain 1002 --from 1001 --source 203.0.113.7 --transport tls",
            "trunkline explain 0193c8a0-5c3e-7aaa-8bbb-0123456789ab",
            "trunkline explain --register 1001",
            "trunkline explain --register 1001 --source 203.0.113.7 --expires 30s",
        ]
    )(explain)
