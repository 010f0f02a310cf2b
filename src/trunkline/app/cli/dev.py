"""``trunkline dev``: stand-ins for the push services, for who develops an app or tries a gateway."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.app.cli.dev_run import CaOut, Listen, run
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Json

app = Commands("Stand in for push services on this machine, for the development of apps.")


@app.command(
    "apns",
    examples=[
        "trunkline dev apns --port 8443 --ca-out apns-ca.pem",
        "trunkline dev apns --port 8443 --script 503,hang,200 --json",
        "trunkline dev apns --script 00fc13adff785122=410:1700000000",
    ],
    notes="A script is a list of outcomes by commas: 200, a status and reason of Apple's such as 403:ExpiredProviderToken "
    "or 503, 410:TIME (since when the token is dead), goaway, hang, reset, drop, refuse. It is used up in order, and "
    "then everything is judged as Apple would. TOKEN=SCRIPT is for one device, each time. Point the gateway's "
    "push.apns.base_url at the address that is shown.",
)
def apns(
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help="0: any free one.")] = 0,
    listen: Listen = "127.0.0.1",
    script: Annotated[
        list[str] | None,
        typer.Option(
            "--script", metavar="[TOKEN=]SCRIPT", help="What becomes of pushes; may be given again."
        ),
    ] = None,
    streams: Annotated[
        int, typer.Option(min=1, max=10_000, metavar="N", help="How many requests at once a client may have.")
    ] = 1000,
    ca_out: CaOut = None,
    as_json: Json = False,
) -> None:
    """Stand in for Apple's push service (APNs) until Ctrl-C. Each push is a line."""
    from trunkline.push.doubles.apns import FakeApns  # noqa: PLC0415  (few starts need it)
    from trunkline.push.doubles.apns_script import BadScript, Script  # noqa: PLC0415

    try:
        wanted = Script.of(script or ())
    except BadScript as error:
        raise typer.BadParameter(f"--script: {error}") from None
    fake = FakeApns(host=listen, port=port, script=wanted, max_streams=streams)
    run(fake, fake.authority.ca_pem, ca_out, as_json=as_json)
