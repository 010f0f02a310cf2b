"""Misconfigurations, as people make them, and a page of what ``trunkline explain`` says about each.

``python -m tests.unit.app.explanations`` writes ``docs/reference/explanations.md`` to standard output. The page is
what the tests compare with, byte by byte: an explanation that changes shows there.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.unit.app.explaining import OFFICE, Scene
from trunkline.app.explain.view import MediaView
from trunkline.proto.sip.digest_server import Verdict
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.ua.overload import Load


@dataclass(frozen=True, slots=True)
class Case:
    """A ``symptom``, what is ``wrong`` in words, how the scene is set up so, and the ``command`` that is asked."""

    symptom: str
    wrong: str
    command: str
    prepare: Callable[[Scene], object]


def _media(
    address4: str | None = "198.51.100.1", address6: str | None = None, ports: int = 1000
) -> MediaView:
    return MediaView({4: address4, 6: address6}, ports)


def _busy(number: str) -> Callable[[Scene], object]:
    return lambda scene: scene.calls.update({number: 2})


def _away(scene: Scene) -> None:
    scene.leave("302")


def _policy(**values: object) -> Callable[[Scene], None]:
    def prepare(scene: Scene) -> None:
        scene.policy = RegistrarPolicy(**values)  # type: ignore[arg-type]

    return prepare


def _set(**values: object) -> Callable[[Scene], None]:
    def prepare(scene: Scene) -> None:
        for name, value in values.items():
            setattr(scene, name, value)

    return prepare


def _all(*steps: Callable[[Scene], object]) -> Callable[[Scene], None]:
    def prepare(scene: Scene) -> None:
        for step in steps:
            step(scene)

    return prepare


CALL = "trunkline explain 302 --from 301"
HISTORY = "trunkline explain --register 301"
REFUSED = "register.refused"
IDENTIFY = (
    Case(
        "The phone gets 404 whatever it dials",
        "Its domain is nobody's.",
        f"{CALL} --domain pbx.example.org",
        lambda scene: scene.tenant("acme", "acme.example"),
    ),
    Case(
        "The phone's password is refused, though it is right",
        "Its domain is another tenant's.",
        f"{CALL} --domain acme.example",
        lambda scene: scene.tenant("acme", "acme.example"),
    ),
    Case(
        "The phones of a new tenant are refused",
        "The tenant has no domain.",
        "trunkline explain 401 --from 401 --tenant acme",
        _all(lambda scene: scene.tenant("acme"), lambda scene: scene.extension("401", tenant="t1")),
    ),
    Case(
        "The phone hears nothing from us",
        "Nothing listens for its transport.",
        f"{CALL} --transport wss --source 203.0.113.9",
        lambda scene: scene.listeners.pop(),
    ),
    Case(
        "A phone with IPv6 hears nothing from us",
        "We listen on IPv4 alone.",
        f"{CALL} --source 2001:db8::7 --transport udp",
        lambda _scene: None,
    ),
    Case("Every call gets 503", "`trunkline drain` is in force.", CALL, _set(draining=True)),
    Case("Calls get 503 now and then", "The exchange has more work than time.", CALL, _set(load=Load.CALLS)),
    Case(
        "Phones that register get 503",
        "The load is twice what it may be.",
        "trunkline explain --register 301 --source 203.0.113.9",
        _set(load=Load.ALL_NEW),
    ),
    Case(
        "A call of a peer does not ask for a password",
        "The address is one of `[[peers]]`.",
        f"{CALL} --source 192.0.2.50 --transport udp",
        lambda scene: scene.peers.update({"192.0.2.50": "carrier"}),
    ),
)
AUTHENTICATE = (
    Case(
        "No password is right",
        "The number is no extension.",
        "trunkline explain 302 --from 399",
        lambda _scene: None,
    ),
    Case(
        "No password is right, though the extension is there",
        "It is there in another letter case.",
        "trunkline explain 302 --from Anna",
        lambda scene: scene.extension("anna"),
    ),
    Case(
        "No password is right for a door phone",
        "It has a fixed contact and no password.",
        "trunkline explain 302 --from 390",
        lambda scene: scene.extension("390", password="", contact="sip:door@203.0.113.20"),
    ),
    Case(
        "No password is right since the realm was changed",
        "The phone calls itself by a domain that is no longer its own.",
        "trunkline explain 302 --from 301@old.example.com",
        lambda _scene: None,
    ),
    Case(
        "The phone asks for a realm",
        "The tenant has a realm of its own.",
        "trunkline explain --register 401 --tenant acme --source 203.0.113.9",
        _all(
            lambda scene: scene.tenant("acme", "acme.example", realm="phones"),
            lambda scene: scene.extension("401", tenant="t1"),
        ),
    ),
    Case(
        "A phone gets no answer any more",
        "Its address is banned.",
        f"{CALL} --source {OFFICE}",
        lambda scene: scene.ban(),
    ),
    Case(
        "One phone of the office works, the others get no answer",
        "Their address is banned, but this one had proven itself before.",
        f"{CALL} --source {OFFICE}",
        _all(
            lambda scene: scene.fence.proved((OFFICE, 5061), "example.com", "301", 4990.0),
            lambda scene: scene.guess(19),
        ),
    ),
    Case(
        "An office must never be banned",
        "Its network is named in `guard.trusted`.",
        f"{CALL} --source {OFFICE}",
        lambda scene: scene.fence_off(ipaddress.ip_network("203.0.113.0/24")),
    ),
    Case(
        "Calls get 403",
        "The caller has as many calls as it may have.",
        CALL,
        _busy("301"),
    ),
)
ROUTE = (
    Case("480: nobody has registered", "The callee's phone was never there.", CALL, _away),
    Case(
        "480: the registration ran out",
        "The phone was switched off, or its refreshes do not reach us.",
        CALL,
        lambda scene: scene.expire("302"),
    ),
    Case(
        "480: the web client is gone",
        "Its page was closed, or its network changed.",
        CALL,
        lambda scene: scene.expire("302", lost=True),
    ),
    Case(
        "480: the callee's phone has a wrong password",
        "It cannot register.",
        CALL,
        _all(_away, lambda scene: scene.wrong("302", Verdict.WRONG)),
    ),
    Case("486, though the callee does not talk", "It has as many calls as it may have.", CALL, _busy("302")),
    Case(
        "404: no such number",
        "There is neither extension nor trunk.",
        "trunkline explain 0301234567 --from 301",
        lambda _scene: None,
    ),
    Case(
        "404: the number is there",
        "It was dialled in another letter case.",
        "trunkline explain ANNA --from 301",
        lambda scene: scene.extension("anna"),
    ),
    Case(
        "404: the number is another tenant's",
        "Tenants do not call each other.",
        "trunkline explain 401 --from 301",
        _all(
            lambda scene: scene.tenant("acme", "acme.example"),
            lambda scene: scene.extension("401", tenant="t1"),
        ),
    ),
    Case(
        "404: the trunk does not take the number",
        "No prefix of it fits.",
        "trunkline explain 0301234567 --from 301",
        lambda scene: scene.trunk("carrier", register=True, prefixes=("+49", "00")),
    ),
    Case(
        "A number was pasted with spaces",
        "They are left out.",
        "trunkline explain '(3 0-2)' --from 301",
        lambda _scene: None,
    ),
    Case(
        "A service is rung", "It is no extension.", "trunkline explain 9196 --from 301", lambda _scene: None
    ),
    Case(
        "A call is picked up",
        "`**` and an extension.",
        "trunkline explain '**302' --from 301",
        lambda _scene: None,
    ),
    Case(
        "A call takes the wrong trunk",
        "The longest prefix wins.",
        "trunkline explain 0301234567 --from 301",
        _all(
            lambda scene: scene.trunk("carrier", register=True, prefixes=("0",)),
            lambda scene: scene.trunk("berlin", register=True, prefixes=("030",), strip=3),
        ),
    ),
    Case(
        "A GRUU is dialled whose phone is gone",
        "One phone of the extension is meant, and no other.",
        "trunkline explain 'sip:302@example.com;gr=urn:uuid:1' --from 301",
        lambda scene: scene.gruus.update({"urn:uuid:1": []}),
    ),
    Case(
        "A GRUU is dialled that is none",
        "It was never given, or has ended.",
        "trunkline explain 'sip:302@example.com;gr=urn:uuid:2' --from 301",
        lambda _scene: None,
    ),
    Case(
        "A sips: number is dialled over UDP",
        "What was said on an open hop is said already.",
        "trunkline explain sips:302@example.com --from 301 --transport udp",
        lambda _scene: None,
    ),
)
FORK = (
    Case(
        "A sips: call rings nobody",
        "The callee registered without TLS.",
        "trunkline explain sips:302@example.com --from 301 --transport tls",
        lambda _scene: None,
    ),
    Case(
        "A sips: call rings one phone of two",
        "Only one of them registered by TLS.",
        "trunkline explain sips:302@example.com --from 301 --transport tls",
        lambda scene: scene.phone("302", "203.0.113.8", "tls", contact="sips:302@203.0.113.8:5061"),
    ),
    Case(
        "A phone behind NAT is not rung",
        "`sip.nat` is off, and its contact is a private address.",
        CALL,
        _all(
            _away,
            lambda scene: scene.phone("302", contact="sip:302@192.168.1.20:5060"),
            _policy(nat=False),
        ),
    ),
    Case(
        "A phone is not rung any more, but shows as registered",
        "Its TCP connection is gone, and its contact is a private address.",
        CALL,
        _all(
            _away,
            lambda scene: scene.phone(
                "302", transport="tcp", contact="sip:302@192.168.1.20:5060", alive=False
            ),
        ),
    ),
    Case(
        "A web client is not rung",
        "Its WebSocket is gone.",
        CALL,
        _all(
            _away,
            lambda scene: scene.phone("302", transport="wss", contact="sip:302@ab.invalid", alive=False),
        ),
    ),
    Case(
        "Of two contacts one is dead",
        "Both are tried, since nobody can know.",
        CALL,
        lambda scene: scene.phone("302", "203.0.113.8", "tcp", alive=False),
    ),
    Case(
        "A phone with two connections is rung once",
        "They are ways to one phone, tried one after the other.",
        CALL,
        _all(
            _away,
            lambda scene: scene.phone("302", transport="tls", instance="<urn:uuid:1>", reg_id=1),
            lambda scene: scene.phone("302", transport="tcp", instance="<urn:uuid:1>", reg_id=2, port=5070),
        ),
    ),
    Case(
        "A phone behind a proxy",
        "Its calls take the way of its Path.",
        CALL,
        _all(_away, lambda scene: scene.phone("302", path="<sip:edge.example.com;lr>")),
    ),
    Case(
        "A door phone with a fixed contact",
        "It need not register; whether it is there, the call shows.",
        "trunkline explain 390 --from 301",
        lambda scene: scene.extension("390", password="", contact="sip:door@10.0.0.20"),
    ),
    Case(
        "Calls to the outside fail",
        "The trunk's password is wrong.",
        "trunkline explain 0301234567 --from 301",
        lambda scene: scene.trunk("carrier", "authentication failed", "authentication failed", register=True),
    ),
    Case(
        "Calls to the outside fail after a while",
        "The trunk's host is not found.",
        "trunkline explain 0301234567 --from 301",
        lambda scene: scene.trunk(
            "carrier", "failed", "no server is known for carrier.example", register=True
        ),
    ),
    Case(
        "Calls to the outside fail now and then",
        "A trunk without registration does not answer OPTIONS.",
        "trunkline explain 0301234567 --from 301",
        lambda scene: scene.trunk("carrier", "unreachable", "no answer within 32 s"),
    ),
)
MEDIA = (
    Case("503 when many talk", "No media port is free.", CALL, _set(media=_media(ports=1))),
    Case(
        "One-way audio with phones outside",
        "They are told a private address.",
        CALL,
        _set(media=_media("192.168.0.5")),
    ),
    Case(
        "No audio at all",
        "They are told a loopback address.",
        CALL,
        _set(media=_media("127.0.0.1")),
    ),
    Case(
        "A phone with IPv6 hears nothing",
        "Media is served over IPv4 alone.",
        CALL,
        _all(
            _away,
            lambda scene: scene.listeners.append(
                type(scene.listeners[0])("udp:[2001:db8::1]:5060", source_address=lambda _host: None)
            ),
            lambda scene: scene.phone("302", "2001:db8::7"),
        ),
    ),
    Case(
        "Wideband codecs are not used", "The SDP profile takes them out.", CALL, _set(profile="conservative")
    ),
)
REGISTER = (
    Case(
        "The phone asks for too little time (423)",
        "It asks again with more.",
        "trunkline explain --register 301 --source 203.0.113.9 --expires 30s",
        lambda _scene: None,
    ),
    Case(
        "The phone is given less time than it asks for",
        "`sip.registration.max_expires_s` is the most.",
        "trunkline explain --register 301 --source 203.0.113.9 --expires 1d",
        lambda _scene: None,
    ),
    Case(
        "403: too many contacts",
        "Old contacts pile up.",
        "trunkline explain --register 301 --source 203.0.113.9",
        _policy(max_contacts=1),
    ),
    Case(
        "A phone in a private network, and sip.nat is off",
        "We could not reach its contact.",
        "trunkline explain --register 301 --source 203.0.113.9 --contact sip:301@192.168.1.20:5060",
        _policy(nat=False),
    ),
    Case(
        "A phone leaves",
        "It removes a contact that is not there.",
        "trunkline explain --register 301 --source 203.0.113.9 --expires 0",
        lambda _scene: None,
    ),
    Case(
        "A phone refreshes",
        "Nothing is wrong: it goes on at the contact that is known.",
        "trunkline explain --register 301 --contact sip:301@203.0.113.7:5061 --expires 600",
        lambda _scene: None,
    ),
    Case(
        "Without an exchange",
        "Only what is in the store is known.",
        CALL,
        _set(running=False),
    ),
)
HISTORIES = (
    Case("All is well", "The phone is registered.", HISTORY, lambda _scene: None),
    Case(
        "The password is wrong",
        "Its phone tries again and again, and its address will be banned.",
        HISTORY,
        _all(
            lambda scene: scene.leave("301"),
            lambda scene: scene.wrong("301", Verdict.WRONG, times=12),
            lambda scene: scene.ban(60),
        ),
    ),
    Case(
        "The extension does not exist",
        "The operator learns it, the phone does not.",
        "trunkline explain --register 399",
        lambda scene: scene.wrong("399", Verdict.UNKNOWN_USER, times=3),
    ),
    Case(
        "The domain is wrong",
        "It is nobody's.",
        HISTORY,
        _all(
            lambda scene: scene.leave("301"),
            lambda scene: scene.attempt(
                "301",
                ("register.unknown_domain", "no tenant owns this domain", {"domain": "pbx.example.org"}),
                (REFUSED, "404 Not Found", {"status": 404}),
                tenant="",
            ),
        ),
    ),
    Case(
        "The phone is challenged again and again",
        "It does not take up new nonces.",
        HISTORY,
        lambda scene: scene.stale("301", 4),
    ),
    Case(
        "The realm was changed",
        "The phone keeps the old one.",
        HISTORY,
        lambda scene: scene.wrong("301", Verdict.UNKNOWN_REALM),
    ),
    Case(
        "A router rewrites the requests",
        "The digest is over another URI.",
        HISTORY,
        lambda scene: scene.wrong("301", Verdict.URI_MISMATCH),
    ),
    Case(
        "User and number differ",
        "The phone proves to be 301 and registers for 302.",
        HISTORY,
        lambda scene: scene.attempt("301", (REFUSED, "403 nobody registers for another", {"status": 403})),
    ),
    Case(
        "The phone came by a proxy and does not know Path",
        "`sip.registration.path` is strict.",
        HISTORY,
        lambda scene: scene.attempt("301", (REFUSED, "420 Bad Extension", {"status": 420})),
    ),
    Case(
        "The proxy in front does not keep flows",
        "The phone wants them (RFC 5626).",
        HISTORY,
        lambda scene: scene.attempt(
            "301", (REFUSED, "439 First Hop Lacks Outbound Support", {"status": 439})
        ),
    ),
    Case(
        "The store could not write",
        "The disk is full.",
        HISTORY,
        lambda scene: scene.attempt(
            "301",
            ("register.not_kept", "the binding could not be written: disk full", {}),
            (REFUSED, "503 Service Unavailable", {"status": 503}),
        ),
    ),
    Case(
        "The phone's connection is gone",
        "It shows as registered until it expires.",
        HISTORY,
        _all(
            lambda scene: scene.leave("301"),
            lambda scene: scene.phone("301", transport="tcp", alive=False),
        ),
    ),
)
CHAPTERS = {
    "Who is meant": IDENTIFY,
    "Who may": AUTHENTICATE,
    "Where a call goes": ROUTE,
    "Whom it rings": FORK,
    "Media": MEDIA,
    "What if it registered": REGISTER,
    "How it registers": HISTORIES,
}
ALL = tuple(case for chapter in CHAPTERS.values() for case in chapter)
_INTRO = """# Misconfigurations, and what explain says about them

This page is generated from the tests (`make docs`).

Each section has a symptom, what is wrong, the question that finds it out, and the answer as it is printed into a
pipe. The scene is the same everywhere, apart from what is wrong: the tenant "default" with the domain example.com and
the extensions 301 and 302, whose phones are registered from 203.0.113.7 by UDP. How to ask is told in
[how to find out why](../how-to/find-out-why.md), what the codes mean in [story codes](story-codes.md).
"""


def said(case: Case) -> str:
    """What is printed, without spaces at the ends of lines."""
    scene = Scene()
    case.prepare(scene)
    return "\n".join(line.rstrip() for line in scene.ask(case.command).strip("\n").split("\n"))


def page() -> str:
    """The whole page; times are those of the zone that is set, which should be UTC."""
    parts = [_INTRO]
    for chapter, cases in CHAPTERS.items():
        parts.append(f"## {chapter}\n")
        parts += [
            f"### {case.symptom}\n\n{case.wrong}\n\n```text\n$ {case.command}\n{said(case)}\n```\n"
            for case in cases
        ]
    return "\n".join(parts)


def explanations_on(text: str) -> dict[str, str]:
    """What a page says to each question, by its symptom."""
    found = re.findall(r"^### (.+)\n(?:.|\n)*?```text\n\$ .*\n((?:.|\n)*?)\n```$", text, re.MULTILINE)
    return dict(found)


if __name__ == "__main__":
    os.environ["TZ"] = "UTC"
    time.tzset()
    sys.stdout.write(page())
