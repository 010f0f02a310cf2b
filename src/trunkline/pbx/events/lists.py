"""Lists of extensions that are watched by one subscription (RFC 4662), for phones with many keys.

A document holds the state of all members: an RLMI document that lists them, and after it what each package says of
each member. It is always full, as it may be (§5.2), and nearly always too large for a datagram.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from trunkline.call.party import Party
from trunkline.pbx.events.xml import escaped
from trunkline.ua.subscriptions import Package, View, Watch

LISTED: Final = frozenset({"dialog", "presence"})
MOST_MEMBERS: Final = 60
"""So that a document fits into a datagram where it has to."""
# No line of our documents begins so: theirs begin with "<", and their text is one line.
_BOUNDARY: Final = "trunkline-list"


class Member:
    """What a subscriber of a list knows of one of its members."""

    __slots__ = ("told", "version", "watch")

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.told: dict[str, Any] = {}
        self.version = -1


class ListPackage:
    """``package`` tells of ``members``; ``is_there(number)`` says whether there is such an extension."""

    content_type = (
        f'multipart/related;type="application/rlmi+xml";start="<list@trunkline>";boundary="{_BOUNDARY}"'
    )

    def __init__(
        self,
        package: Package,
        members: tuple[str, ...],
        is_there: Callable[[str], bool] = lambda _number: True,
    ) -> None:
        self.event = package.event
        self._package = package
        self._members = members
        self._is_there = is_there

    def has_news(self, subscription: View) -> bool:
        return any(self._is_new(number, one) for number, one in self._known(subscription).items())

    def _is_new(self, number: str, one: Member) -> bool:
        if not self._is_there(number):
            return one.version >= 0
        return one.version < 0 or self._package.has_news(one)

    def compose(self, subscription: View) -> bytes:
        known = self._known(subscription)
        for number, one in known.items():
            if not self._is_there(number):
                known[number] = Member(one.watch)
        there = [one for number, one in known.items() if self._is_there(number)]
        for one in there:
            one.version += 1
        watch = subscription.watch
        parts = [_part("list", "application/rlmi+xml", self._rlmi(watch, subscription.version, known))]
        parts += [
            _part(_cid(one.watch), self._package.content_type, self._package.compose(one)) for one in there
        ]
        return b"".join(parts) + f"--{_BOUNDARY}--\r\n".encode()

    def _known(self, subscription: View) -> dict[str, Member]:
        known: dict[str, Member] = subscription.told.setdefault("members", {})
        if not known:
            for number in self._members:
                known[number] = Member(subscription.watch._replace(number=number))
        return known

    def _rlmi(self, watch: Watch, version: int, known: dict[str, Member]) -> bytes:
        """RFC 4662 §5.1."""
        uri = escaped(Party(watch.number, watch.domain).uri)
        attributes = f'uri="{uri}" version="{version}" fullState="true"'
        resources = "\r\n".join(self._resources(known))
        return (
            f'<?xml version="1.0"?>\r\n<list xmlns="urn:ietf:params:xml:ns:rlmi" {attributes}>\r\n'
            f"{resources}\r\n</list>\r\n"
        ).encode()

    def _resources(self, known: dict[str, Member]) -> Iterator[str]:
        for number, one in known.items():
            uri = escaped(Party(number, one.watch.domain).uri)
            state = 'state="terminated" reason="noresource"'
            if self._is_there(number):
                state = f'state="active" cid="{escaped(_cid(one.watch))}@trunkline"'
            yield f'<resource uri="{uri}"><instance id="1" {state}/></resource>'


def _cid(watch: Watch) -> str:
    return "".join(sign if sign.isalnum() and sign.isascii() else f"-{ord(sign):x}-" for sign in watch.number)


def _part(cid: str, content_type: str, body: bytes) -> bytes:
    """One part of the multipart (RFC 2387), with its Content-ID."""
    head = (
        f"--{_BOUNDARY}\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <{cid}@trunkline>\r\n"
        f"Content-Type: {content_type}\r\n\r\n"
    )
    return head.encode() + body + b"\r\n"
