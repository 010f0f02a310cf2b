"""``trunkline dev``: stand-ins for the push services, for who develops an app or tries a gateway."""

from __future__ import annotations

from pathlib import Path
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
    notes="A script is a list of outcomes by commas: 200, a status and reason of Apple's such as "
    "403:ExpiredProviderToken or 503, 410:TIME (since when the token is dead), goaway, hang, reset, drop, refuse. "
    "It is used up in order, and then everything is judged as Apple would. TOKEN=SCRIPT is for one device, each "
    "time. Point the gateway's push.apns.base_url at the address that is shown.",
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


_ANSWERS = (
    "A script is a list of answers by commas: 200, 404, 429:5 (Retry-After: 5), 503, hang, drop. It is used up in "
    "order, and then everything is judged as the real service would. "
)


@app.command(
    "fcm",
    examples=[
        "trunkline dev fcm --port 8444 --ca-out fcm-ca.pem --account-out service-account.json",
        "trunkline dev fcm --port 8444 --account-out service-account.json --plain",
        "trunkline dev fcm --script 503,200 --script device-1=404 --json",
    ],
    notes=_ANSWERS + "TOKEN=ANSWER is for one device, each time. Give the gateway the account as "
    "push.fcm.service_account_path and the address that is shown as push.fcm.base_url.",
)
def fcm(
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help="0: any free one.")] = 0,
    listen: Listen = "127.0.0.1",
    script: Annotated[
        list[str] | None,
        typer.Option(
            "--script", metavar="[TOKEN=]SCRIPT", help="What becomes of pushes; may be given again."
        ),
    ] = None,
    project: Annotated[
        str, typer.Option(metavar="PROJECT", help="The Firebase project that is known.")
    ] = "stand-in",
    account_out: Annotated[
        Path | None,
        typer.Option(
            "--account-out", metavar="FILE", help="Write a service account's key here, good here alone."
        ),
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Plain http instead of TLS, for loopback.")] = False,
    ca_out: CaOut = None,
    as_json: Json = False,
) -> None:
    """Stand in for Firebase Cloud Messaging (FCM HTTP v1) until Ctrl-C. Each push is a line."""
    from trunkline.push.doubles.answers import BadAnswerError  # noqa: PLC0415  (few starts need it)
    from trunkline.push.doubles.fcm import FakeFcm  # noqa: PLC0415

    try:
        fake = FakeFcm(
            listen, port, script=script or (), tls=not plain, project=project, account_out=account_out
        )
    except BadAnswerError as error:
        raise typer.BadParameter(f"--script: {error}") from None
    run(fake, fake.authority.ca_pem, ca_out, as_json=as_json)


@app.command(
    "webpush",
    examples=[
        "trunkline dev webpush --port 8445 --ca-out webpush-ca.pem",
        "trunkline dev webpush --script 503,201 --json",
    ],
    notes=_ANSWERS
    + "The endpoint, p256dh and auth that are shown are a subscription for the gateway's device; POST "
    "/subscribe makes more. Set push.inside to the network of the address and push.ca to the file of --ca-out.",
)
def webpush(
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help="0: any free one.")] = 0,
    listen: Listen = "127.0.0.1",
    script: Annotated[
        list[str] | None,
        typer.Option("--script", metavar="SCRIPT", help="What becomes of pushes; may be given again."),
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Plain http instead of TLS, for loopback.")] = False,
    ca_out: CaOut = None,
    as_json: Json = False,
) -> None:
    """Stand in for a Web Push or UnifiedPush service until Ctrl-C. Each push is a line, decrypted."""
    from trunkline.push.doubles.answers import BadAnswerError  # noqa: PLC0415  (few starts need it)
    from trunkline.push.doubles.webpush import FakeWebPush  # noqa: PLC0415

    try:
        fake = FakeWebPush(listen, port, script=script or (), tls=not plain)
    except BadAnswerError as error:
        raise typer.BadParameter(f"--script: {error}") from None
    run(fake, fake.authority.ca_pem, ca_out, as_json=as_json)
