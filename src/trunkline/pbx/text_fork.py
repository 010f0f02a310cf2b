"""A text on its way to all contacts of an extension: the first that takes it decides (RFC 3428 §6)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from email.utils import formatdate
from typing import Final

from trunkline.base.errors import CallFailed, RemoteProtocolError, TransportError
from trunkline.base.ids import uuid7
from trunkline.base.story import Story, Value
from trunkline.call.context import CallContext
from trunkline.call.failures import best_of, fault, passed_on
from trunkline.call.party import Party
from trunkline.call.target import Target
from trunkline.model.text import Text
from trunkline.proto.sip.draft import Draft, header_lines
from trunkline.proto.sip.message import Request, Response
from trunkline.proto.sip.numbers import parse_delta_seconds
from trunkline.proto.sip.reasons import reason_phrase
from trunkline.proto.sip.uri import is_sips
from trunkline.ua.next_hops import Ways, is_flow_failure, request_by

# The sender's transaction ends after 32 seconds; it is answered before (RFC 4320 §4.2: not with 408).
DEADLINE_S: Final = 24.0
MAX_BRANCHES: Final = 32
# What says how the text is to be read, or about whom it is not; nothing that identifies or routes.
ALLOWED: Final = (
    "Subject",
    "Priority",
    "Date",
    "Expires",
    "Content-Encoding",
    "Content-Language",
    "Content-Disposition",
)
MAX_BLOCK: Final = 2048


def text_of(
    request: Request,
    tenant: str,
    sender: Party,
    receiver: Party,
    *,
    at: float,
    keep_s: float,
    call_id: str,
    hops: int,
) -> Text:
    """What goes to each contact: the body as it came, the sender as we know it.

    ``at`` is the wall clock; the text is kept for ``keep_s`` seconds, or less when its writer says so (RFC 3428 §7).
    Raises RemoteProtocolError for an Expires that is no number.
    """
    headers = request.headers
    if "Expires" in headers:
        keep_s = min(keep_s, parse_delta_seconds(headers["Expires"], "Expires"))
    to = _reader_of(request.uri, receiver)
    return Text(
        tenant,
        uuid7(),
        sender.number,
        receiver.number,
        sender.name_addr,
        to,
        call_id,
        headers.get("Content-Type", "text/plain"),
        _header_block(request, at),
        request.body,
        min(request.max_forwards - 1, hops),
        at,
        at + keep_s,
    )


def _reader_of(uri: str, receiver: Party) -> str:
    """The To of what the contacts get; a GRUU stays what it is, for it says which phone is meant."""
    if ";gr" in uri and len(uri) <= MAX_BLOCK:
        return f"<{uri}>"
    to = receiver.uri
    return f"<{to.replace('sip:', 'sips:', 1)}>" if is_sips(uri) else f"<{to}>"


def _header_block(request: Request, at: float) -> str:
    """The lines that cross, with a Date: the text may be read days later."""
    headers = request.headers
    lines = "".join([header_lines(name, headers[name]) for name in ALLOWED if name in headers])
    if len(lines) > MAX_BLOCK:
        lines = ""
    return lines if "Date" in headers and lines else f"{lines}Date: {formatdate(at, usegmt=True)}\r\n"


class TextFork:
    """One text, and the contacts it was sent to."""

    __slots__ = ("_context", "_decided", "_failures", "_left", "_story", "_text")

    def __init__(self, context: CallContext, text: Text, story: Story) -> None:
        self._context = context
        self._text = text
        self._story = story
        self._left = 0
        self._failures: list[CallFailed] = []
        self._decided: asyncio.Future[int | CallFailed] = context.endpoint.loop.create_future()

    async def run(self, targets: Sequence[Target]) -> int:
        """The 2xx of the first contact that took it; raises CallFailed with the best of the refusals."""
        some = [target for target in targets if target.app is None][:MAX_BRANCHES]
        if not some:
            raise best_of([])
        self._left = len(some)
        tasks = [self._context.spawn(self._send(target)) for target in some]
        try:
            async with asyncio.timeout(DEADLINE_S):
                outcome = await self._decided
        except TimeoutError:
            outcome = best_of(self._failures)
        finally:
            # What was sent goes on by itself: its transactions repeat it until it is answered.
            for task in tasks:
                task.cancel()
        if isinstance(outcome, CallFailed):
            raise outcome
        return outcome

    async def _send(self, target: Target) -> None:
        """By the flows of a phone in turn, as long as it is not the phone that refuses (RFC 5626 §7)."""
        try:
            response = await self._ask(target)
            for other in target.others:
                if not is_flow_failure(response):
                    break
                target = other
                response = await self._ask(target)
        except (RemoteProtocolError, TransportError) as error:
            self._tell("text.not_sent", f"{target.label}: {error}")
            self._fail(fault(error))
            return
        status = response.status
        if 200 <= status < 300:
            self._tell("text.delivered", f"{target.label} took it: {status}", status=status)
            self._decide(status)
        else:
            self._tell("text.refused", f"{target.label}: {status} {response.reason}", status=status)
            self._fail(passed_on(status, response.reason, "text.refused"))

    async def _ask(self, target: Target) -> Response:
        context = self._context
        flow = context.flow_at_once(target)
        ways = Ways.down(flow) if flow is not None else await context.ways_to(target, self._tell)
        draft = self._draft(target)
        self._tell("text.sent", f"sending to {target.label}")
        patience = context.next_hops.patience_s if target.others else None
        try:
            async with asyncio.timeout(patience):
                return (await request_by(context.endpoint, ways, lambda _flow: draft)).response
        except TimeoutError:
            return Response(408, reason_phrase(408), {})

    def _draft(self, target: Target) -> Draft:
        ids, text = self._context.endpoint.ids, self._text
        return Draft(
            "MESSAGE",  # without Contact: RFC 3428 §4
            target.uri,
            f"{text.from_};tag={ids.tag()}",
            text.to,
            text.call_id,
            1,
            route=target.route,
            extra=text.headers,
            body=text.body,
            content_type=text.content_type,
            max_forwards=text.max_forwards,
        )

    def _fail(self, failure: CallFailed) -> None:
        self._failures.append(failure)
        self._left -= 1
        if failure.status >= 600:
            self._decide(failure)  # RFC 3261 §16.7 item 5: for all
        elif not self._left:
            self._decide(best_of(self._failures))

    def _decide(self, outcome: int | CallFailed) -> None:
        if not self._decided.done():
            self._decided.set_result(outcome)

    def _tell(self, code: str, text: str, **data: Value) -> None:
        self._story.add(self._context.endpoint.now(), code, text, **data)
