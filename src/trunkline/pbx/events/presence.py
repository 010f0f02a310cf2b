"""The ``presence`` package (RFC 3856): whether an extension can be reached, and what it says of itself.

What an extension has published is composed into one document: the tuples of all its publications, those of the
latest first (RFC 3903 §6, RFC 3863). Without a publication the registrar speaks for it: open while it has a contact.
While it talks, ``on-the-phone`` (RFC 4480 §3.2) stands in a person element, unless a publication has one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

from trunkline.call.party import Party
from trunkline.pbx.events import xml
from trunkline.pbx.events.publications import Publications
from trunkline.ua.subscriptions import View

CONTENT_TYPE: Final = "application/pidf+xml"
PIDF: Final = "urn:ietf:params:xml:ns:pidf"
MODEL: Final = "urn:ietf:params:xml:ns:pidf:data-model"
RPID: Final = "urn:ietf:params:xml:ns:pidf:rpid"
_PERSON: Final = f"{{{MODEL}}}person"
_TUPLE: Final = f"{{{PIDF}}}tuple"

register_namespace("", PIDF)  # phones are known that look for <basic>, whatever XML would allow
register_namespace("dm", MODEL)
register_namespace("rpid", RPID)


class PresencePackage:
    """``reachable(tenant, number)`` is whether it has a contact, ``talks(tenant, number)`` whether it is in a call."""

    event = "presence"
    content_type = CONTENT_TYPE

    def __init__(
        self,
        publications: Publications,
        reachable: Callable[[str, str], bool],
        talks: Callable[[str, str], bool],
    ) -> None:
        self._publications = publications
        self._reachable = reachable
        self._talks = talks

    def has_news(self, subscription: View) -> bool:
        watch = subscription.watch
        return bool(subscription.told.get("state") != self._state(watch.tenant, watch.number))

    def compose(self, subscription: View) -> bytes:
        watch = subscription.watch
        tenant, number = watch.tenant, watch.number
        subscription.told["state"] = self._state(tenant, number)
        root = Element(f"{{{PIDF}}}presence", entity=Party(number, watch.domain).uri)
        published = [xml.parse(one.document) for one in reversed(self._publications.of(tenant, number))]
        if published:
            _take_over(root, published)
        else:
            _speak_for(root, is_open=self._reachable(tenant, number))
        if self._talks(tenant, number) and root.find(_PERSON) is None:
            _talking(root)
        document: bytes = tostring(root, encoding="UTF-8", xml_declaration=True)
        return document

    def _state(self, tenant: str, number: str) -> tuple[object, ...]:
        tags = tuple(one.etag for one in self._publications.of(tenant, number))
        return tags, self._reachable(tenant, number), self._talks(tenant, number)


def _take_over(root: Element, published: list[Element]) -> None:
    """The content of all documents; ids that occur twice are told apart, and one person is enough."""
    ids: set[str] = set()
    for at, document in enumerate(published):
        for each in document:
            if each.tag == _PERSON and root.find(_PERSON) is not None:
                continue
            one = Element(each.tag, each.attrib)
            one.text, one.tail = each.text, each.tail
            one.extend(each)
            name = one.get("id")
            if name is not None and name in ids:
                one.set("id", f"{name}-{at}")
            ids.add(one.get("id", ""))
            root.append(one)
    # RFC 3863 §4.1.1: tuples first, then notes, then whatever else.
    rank = {_TUPLE: 0, f"{{{PIDF}}}note": 1}
    root[:] = sorted(root, key=lambda each: rank.get(each.tag, 2))


def _speak_for(root: Element, *, is_open: bool) -> None:
    status = SubElement(SubElement(root, _TUPLE, id="registration"), f"{{{PIDF}}}status")
    SubElement(status, f"{{{PIDF}}}basic").text = "open" if is_open else "closed"


def _talking(root: Element) -> None:
    person = SubElement(root, _PERSON, id="calls")
    SubElement(SubElement(person, f"{{{RPID}}}activities"), f"{{{RPID}}}on-the-phone")
