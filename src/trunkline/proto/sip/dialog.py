"""Dialogs (RFC 3261 §12): plain data with the rules that change it.

A dialog is made from the request or response that creates it, renders requests within it, checks the order of
what arrives, and can be written down and read back (``snapshot``/``restore``), so that another process may
carry on.
"""

from __future__ import annotations

import re
from typing import Any

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.grammar import split_list
from trunkline.proto.sip.message import Request, Response
from trunkline.proto.sip.name_addr import parse_name_addr

# RFC 3261 §12.2.1.1 and RFC 6141: only these may move the remote target.
TARGET_REFRESH = frozenset({"INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY", "REFER"})
MAX_ROUTES = 32

# Nothing may end the <> early, nor the line it will stand in: two Contacts are one value with a line feed.
_usual_contact = re.compile(r'<([A-Za-z][A-Za-z0-9+.-]*+:[^\x00-\x20\x7f<>"]++)>(?:;[^\n,"]*+)?+\Z').match


class Dialog:
    """One dialog from our side.

    ``local`` and ``remote`` are whole From/To header values with their tags; ``target`` the peer's Contact
    URI; ``route`` the finished block of Route lines; ``flow`` the token of the flow it lives on;
    ``local_seq`` and ``remote_seq`` the last CSeq numbers (``remote_seq`` None before the first request).
    """

    __slots__ = (
        "call_id",
        "early",
        "flow",
        "local",
        "local_seq",
        "local_tag",
        "remote",
        "remote_seq",
        "remote_tag",
        "route",
        "target",
    )

    def __init__(
        self,
        call_id: str,
        local_tag: str,
        remote_tag: str,
        local: str,
        remote: str,
        target: str,
        route: str,
        flow: str,
        local_seq: int,
        remote_seq: int | None,
        *,
        early: bool,
    ) -> None:
        self.call_id = call_id
        self.local_tag = local_tag
        self.remote_tag = remote_tag
        self.local = local
        self.remote = remote
        self.target = target
        self.route = route
        self.flow = flow
        self.local_seq = local_seq
        self.remote_seq = remote_seq
        self.early = early

    @property
    def key(self) -> str:
        """How requests find it: Call-ID and both tags (RFC 3261 §12)."""
        return dialog_key(self.call_id, self.local_tag, self.remote_tag)

    @classmethod
    def of_request(cls, request: Request, local_tag: str, flow: str) -> Dialog:
        """The UAS side, from a request that creates a dialog (RFC 3261 §12.1.1); early until answered."""
        headers = request.headers
        contact = headers.get("Contact")
        if not contact:
            raise RemoteProtocolError(f"{request.method} without Contact")
        return cls(
            request.call_id,
            local_tag,
            request.from_tag or "",
            f"{headers['To']};tag={local_tag}",
            headers["From"],
            contact_uri(contact),
            # The route set is the Record-Route as it stands (RFC 3261 §12.1.1).
            route_block(split_list(headers["Record-Route"])) if "Record-Route" in headers else "",
            flow,
            0,
            request.cseq[0],
            early=True,
        )

    @classmethod
    def of_response(cls, draft: Draft, response: Response, local_tag: str, flow: str) -> Dialog:
        """The UAC side, from a 101..299 to our request (RFC 3261 §12.1.2)."""
        headers = response.headers
        contact = headers.get("Contact")
        routes = split_list(headers["Record-Route"]) if "Record-Route" in headers else []
        # Reversed for the UAC (RFC 3261 §12.1.2). A response without Contact leaves the first target.
        return cls(
            draft.call_id,
            local_tag,
            response.to_tag or "",
            draft.from_,
            headers["To"],
            contact_uri(contact) if contact else draft.uri,
            route_block(routes[::-1]),
            flow,
            draft.cseq,
            None,
            early=response.status < 200,
        )

    def request(self, method: str, *, cseq: int | None = None, **rest: Any) -> Draft:
        """A request within the dialog (RFC 3261 §12.2.1.1); takes the keywords of ``Draft``.

        ACK passes the ``cseq`` of its INVITE; all others count up.
        """
        if cseq is None:
            self.local_seq += 1
            cseq = self.local_seq
        uri, route = self.target, self.route
        if route:
            uri, route = strict_route(uri, route)
        return Draft(method, uri, self.local, self.remote, self.call_id, cseq, route=route, **rest)

    def accept(self, request: Request) -> None:
        """Check a request within the dialog and take its CSeq and, where allowed, its Contact.

        Raises RemoteProtocolError(500) for a CSeq lower than one seen (RFC 3261 §12.2.2). The same number
        again is let through: it repeats a request that was answered without a transaction, and is to get the
        same answer.
        """
        number = request.cseq[0]
        if self.remote_seq is not None and number < self.remote_seq:
            raise RemoteProtocolError(f"CSeq {number} is below {self.remote_seq}", 500)
        self.remote_seq = number
        if request.method in TARGET_REFRESH:
            self.refresh_target(request)

    def refresh_target(self, message: Request | Response) -> None:
        """Take over the Contact of a target refresh request or of its 2xx (RFC 3261 §12.2.1.2)."""
        contact = message.headers.get("Contact")
        if contact:
            self.target = contact_uri(contact)

    def snapshot(self) -> dict[str, Any]:
        """Plain, JSON-serialisable data; ``restore`` reads it."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def restore(cls, data: dict[str, Any]) -> Dialog:
        return cls(**data)


def dialog_key(call_id: str, local_tag: str, remote_tag: str) -> str:
    """The key under which a dialog is found. A separator that no token may hold keeps it unambiguous."""
    return f"{local_tag} {remote_tag} {call_id}"


def contact_uri(value: str) -> str:
    """The URI of the first Contact; raises RemoteProtocolError when malformed or when it cannot be a target.

    The common form ``<uri>`` is cut out without the general parser.
    """
    match = _usual_contact(value)
    if match is not None:
        uri: str = match[1]
        return uri
    elements = split_list(value)
    if not elements:
        raise RemoteProtocolError("empty Contact")
    return parse_name_addr(elements[0]).uri


def route_block(values: list[str]) -> str:
    """Finished Route lines; raises RemoteProtocolError for more than ``MAX_ROUTES`` and for malformed ones.

    They are checked here, where the peer can still be told, because a request within the dialog may be sent
    from a timer, with nobody to answer.
    """
    if len(values) > MAX_ROUTES:
        raise RemoteProtocolError(f"{len(values)} Record-Route values, at most {MAX_ROUTES} are followed")
    for value in values:
        _ = parse_name_addr(value).address
    return "".join(f"Route: {value}\r\n" for value in values)


def strict_route(target: str, route: str) -> tuple[str, str]:
    """Request-URI and Route lines for a route set: a first hop without ``lr`` is a strict router, and gets
    itself as Request-URI and the target as last Route (RFC 3261 §12.2.1.1)."""
    first, _, rest = route.partition("\r\n")
    uri = parse_name_addr(first.removeprefix("Route: ")).address
    if "lr" in uri.params:
        return target, route
    # RFC 3261 §19.1.1: a Request-URI has no headers.
    return uri.text.partition("?")[0], f"{rest}Route: <{target}>\r\n"


def first_hop(target: str, route: str) -> str:
    """The URI that a request with this target and route set is sent to (RFC 3261 §8.1.2)."""
    if not route:
        return target
    return parse_name_addr(route.partition("\r\n")[0].removeprefix("Route: ")).uri
