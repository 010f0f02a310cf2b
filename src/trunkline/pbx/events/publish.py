"""PUBLISH, once its sender has proven to be the extension it speaks for (RFC 3903 §6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from trunkline.base.errors import RemoteProtocolError
from trunkline.base.story import Story
from trunkline.pbx.events import xml
from trunkline.pbx.events.presence import CONTENT_TYPE, PIDF
from trunkline.pbx.events.publications import Publications
from trunkline.proto.sip.events import expires_of
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.ua.subscriptions import NotifierPolicy

MAX_BODY: Final = 16_384


class Publisher:
    """Takes publications of presence. ``policy()`` bounds how long they last."""

    def __init__(self, publications: Publications, policy: Callable[[], NotifierPolicy]) -> None:
        self._publications = publications
        self._policy = policy
        self.published = 0

    def take(self, incoming: Incoming, tenant: str, number: str, story: Story) -> None:
        """Answer a PUBLISH. Raises RemoteProtocolError with the status to answer; nothing has changed then."""
        request, policy = incoming.request, self._policy()
        seconds = expires_of(request, policy.default_expires_s)
        if 0 < seconds < policy.min_expires_s:
            incoming.respond(423, extra=f"Min-Expires: {policy.min_expires_s}\r\n")
            return
        seconds = min(seconds, policy.max_expires_s)
        etag = self._change(request, tenant, number, seconds, incoming.now)
        self.published += 1
        story.add(incoming.now, "publish.taken", f"{number} tells of itself for {seconds} s", expires=seconds)
        incoming.begin()
        # RFC 3903 §6 step 6: each 2xx has a tag that was never used.
        incoming.respond(200, extra=f"Expires: {seconds}\r\nSIP-ETag: {etag}\r\n")

    def _change(self, request: Request, tenant: str, number: str, seconds: int, now: float) -> str:
        """The tag of what was published; for a removal one that names nothing."""
        table, match = self._publications, request.headers.get("SIP-If-Match")
        known = table.find(tenant, number, match.strip()) if match is not None else None
        document = _document(request) if request.body and seconds else b""
        if known is None:
            if not document:
                raise RemoteProtocolError("a first PUBLISH has a body and lasts longer than 0 seconds", 400)
            return table.add(tenant, number, document, now + seconds).etag
        if seconds:
            table.renew(known, document, now + seconds)
        else:
            table.remove(known)
        return known.etag


def _document(request: Request) -> bytes:
    """The body, checked (RFC 3903 §6 step 5). Raises RemoteProtocolError."""
    if len(request.body) > MAX_BODY:
        raise RemoteProtocolError("Request Entity Too Large", 413)
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != CONTENT_TYPE or request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise RemoteProtocolError("Unsupported Media Type", 415)
    if xml.parse(request.body).tag != f"{{{PIDF}}}presence":
        raise RemoteProtocolError("a presence document begins with <presence> (RFC 3863 §4.1)", 400)
    return request.body
