"""A text on its way to all contacts of an extension: the first that takes it decides (RFC 3428 §6)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from trunkline.base.errors import CallFailed, RemoteProtocolError, TransportError
from trunkline.base.story import Story, Value
from trunkline.call.context import CallContext
from trunkline.call.failures import best_of, fault, passed_on
from trunkline.call.target import Target
from trunkline.proto.sip.draft import Draft, header_lines
from trunkline.proto.sip.message import Request
from trunkline.ua.next_hops import Ways, request_by

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


class Text:
    """What goes to each contact: the body as it came, the sender as we know it.

    ``from_`` and ``to`` are name-addrs without a tag.
    """

    __slots__ = ("body", "content_type", "from_", "headers", "max_forwards", "to")

    def __init__(self, request: Request, from_: str, to: str, max_forwards: int = 70) -> None:
        headers = request.headers
        lines = "".join([header_lines(name, headers[name]) for name in ALLOWED if name in headers])
        self.headers = lines if len(lines) <= MAX_BLOCK else ""
        self.body = request.body
        self.content_type = headers.get("Content-Type", "text/plain")
        self.max_forwards = min(request.max_forwards - 1, max_forwards)
        self.from_ = from_
        self.to = to


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
        some = targets[:MAX_BRANCHES]
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
        context = self._context
        try:
            flow = context.flow_at_once(target)
            ways = Ways.down(flow) if flow is not None else await context.ways_to(target, self._tell)
            draft = self._draft(target)
            self._tell("text.sent", f"sending to {target.label}")
            response = (await request_by(context.endpoint, ways, lambda _flow: draft)).response
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

    def _draft(self, target: Target) -> Draft:
        ids, text = self._context.endpoint.ids, self._text
        return Draft(
            "MESSAGE",  # without Contact: RFC 3428 §4
            target.uri,
            f"{text.from_};tag={ids.tag()}",
            text.to,
            ids.call_id(),
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
