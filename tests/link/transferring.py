"""Three parties and a transfer: what the tests of transfers share."""

from __future__ import annotations

import asyncio

from tests.link.phones import Party
from tests.link.stage import DOMAIN, Stage
from tests.link.talking import talking
from trunkline.proto.sip.dialog_names import DialogName, render_replaces
from trunkline.proto.sip.escapes import escape_user
from trunkline.proto.sip.message import Request, Response


async def three(stage: Stage | None = None) -> tuple[Stage, Party, Party, Party]:
    """Alice (1001) talks to Bob (1002); Carol (1003) does not yet."""
    stage = stage or Stage()
    alice, bob = await talking(stage)
    return stage, alice, bob, stage.party()


async def refer(party: Party, to: str, extra: str = "") -> Response:
    """Ask the exchange to call ``to`` for whom the party talks to."""
    if "@" not in to:
        to = f"sip:{to}@{DOMAIN}"
    dialogue = party.dialogue
    lines = f"Refer-To: <{to}>\r\n{extra}"
    return await dialogue.request("REFER", contact=dialogue.contact, extra=lines)


def consultation(party: Party, number: str, *flags: str) -> str:
    """The Refer-To of an attended transfer to whom ``party`` talks to by its present session."""
    dialog = party.dialogue.dialog
    assert dialog is not None
    # RFC 3891 §6.1: the tags as the exchange, the other end of that dialog, sees them.
    name = DialogName(dialog.call_id, dialog.remote_tag, dialog.local_tag, "early-only" in flags)
    value = render_replaces(name)
    escaped = (
        escape_user(value).replace(";", "%3B").replace("=", "%3D").replace("?", "%3F").replace("&", "%26")
    )
    return f"sip:{number}@{DOMAIN}?Replaces={escaped}"


def notifies(party: Party) -> list[Request]:
    return [request for request in party.requests if request.method == "NOTIFY"]


def told(party: Party) -> list[str]:
    """What a party was told about its transfer: the status lines, and how the subscription stands."""
    return [
        f"{request.body.decode().split(' ')[1]} {request.headers['Subscription-State'].partition(';')[0]}"
        for request in notifies(party)
    ]


async def until_told(party: Party, what: str) -> None:
    async with asyncio.timeout(300):
        while what not in told(party):  # noqa: ASYNC110  (virtual time, and the party tells no event)
            await asyncio.sleep(0.01)


def relays(stage: Stage, one: Party, other: Party) -> bool:
    """Whether the engine sends what one says to the other."""
    by_address = {
        remote.address: port for port, remote in stage.engine.remotes.items() if port in stage.engine.links
    }
    return stage.engine.links.get(by_address.get(one.host, "")) == by_address.get(other.host)
