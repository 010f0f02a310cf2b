"""A scene to explain: an exchange in memory, set up in a few lines, and the questions of its operator."""

from __future__ import annotations

import io
import shlex
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from trunkline.app.cli.options import span
from trunkline.app.explain.attempts import Attempts
from trunkline.app.explain.calls import explain_described
from trunkline.app.explain.history import history_of
from trunkline.app.explain.registers import explain_register
from trunkline.app.explain.view import Live, MediaView, View
from trunkline.app.render_stories import show_explanation, show_history
from trunkline.app.terminal import Screen
from trunkline.base.messages import ExplainNumber, ExplainRegister, RecentRegisters
from trunkline.base.story import Story
from trunkline.model.binding import Binding
from trunkline.model.extension import Extension
from trunkline.model.tenant import Tenant
from trunkline.net.fence import Fence, FencePolicy
from trunkline.net.flow import Flow
from trunkline.net.listener import Listener
from trunkline.pbx.directory import Directory
from trunkline.pbx.route import Snapshot
from trunkline.proto.sip.digest_client import Account, DigestClient
from trunkline.proto.sip.uri import SipUri
from trunkline.registrar.location import Location
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.trunking.plan import TrunkPlan, best_of
from trunkline.trunking.trunk import Trunk
from trunkline.ua.authentication import tell_refusal
from trunkline.ua.overload import Load

WALL = 1_800_000_000.0
NOW = 5000.0
OFFICE = "203.0.113.7"
PASSWORD = "nine-blue-chairs"


class Way:
    """A flow to a phone."""

    closed = False

    def __init__(self, listener: Listener, token: str, host: str, port: int) -> None:
        self.listener, self.token, self.remote = listener, token, (host, port)
        self.transport = listener.transport
        self.reliable = self.transport != "UDP"

    def send(self, data: bytes, on_failure: object = None) -> None:
        raise AssertionError("a dry run sends nothing")

    def on_close(self, callback: object) -> None:
        raise AssertionError("a dry run waits for nothing")

    def off_close(self, callback: object) -> None:
        raise AssertionError("a dry run waits for nothing")


class Scene:
    """The tenant "default" (example.com) with 301 and 302, both registered from the office by UDP; nothing else."""

    def __init__(self) -> None:
        self.tenants = [Tenant("t0", "default", ("example.com",))]
        self.directory = Directory(self.tenants, "example.com")
        self.location = Location()
        self.listeners = [
            Listener(f"{name}:198.51.100.1:{port}", node="0000", source_address=lambda _host: "198.51.100.1")
            for name, port in (("udp", 5060), ("tcp", 5060), ("tls", 5061), ("ws", 5066), ("wss", 5067))
        ]
        self.flows: dict[str, Way] = {}
        self.policy = RegistrarPolicy()
        self.fence = Fence()
        self.media = MediaView({4: "198.51.100.1", 6: None}, 1000)
        self.profile = "transparent"
        self.plans: list[tuple[TrunkPlan, str, str]] = []
        self.calls: dict[str, int] = {}
        self.draining = False
        self.load = Load.NORMAL
        self.running = True
        self.gruus: dict[str, list[Any]] = {}
        self.peers: dict[str, str] = {}
        self.wall = WALL
        self.now = NOW
        self.attempts = Attempts(self.directory.knows, lambda: self.wall, lambda: self.now)
        for number in ("301", "302"):
            self.extension(number)
            self.phone(number)

    # Set-up

    def tenant(self, name: str, *domains: str, realm: str = "") -> None:
        one = Tenant(f"t{len(self.tenants)}", name, domains, realm=realm)
        self.tenants.append(one)
        self.directory.put_tenant(self.directory.entry_of(one))

    def extension(self, number: str, password: str = PASSWORD, tenant: str = "t0", **more: Any) -> None:
        self.directory.put(Extension(tenant, f"e{number}", number, password=password, **more))

    def phone(
        self,
        number: str,
        host: str = OFFICE,
        transport: str = "udp",
        *,
        contact: str = "",
        alive: bool = True,
        port: int = 0,
        expires_s: float = 1800,
        **more: Any,
    ) -> Binding:
        """Register one; not ``alive``: its connection is gone."""
        port = port or 5060 + int(number[-1:] if number[-1:].isdigit() else 0)
        listener = next(one for one in self.listeners if one.transport == transport.upper())
        shown = f"[{host}]" if ":" in host else host
        token = f"{listener.token_head}{shown}:{port}|{len(self.flows)}"
        suffix = "" if transport == "udp" else f";transport={transport}"
        uri = contact or f"sip:{number}@{shown}:{port}{suffix}"
        made = Binding(
            "t0", number, f"b{len(self.flows)}", uri, token, f"{shown}:{port}", "call-id", 1, WALL - 600,
            WALL + expires_s, user_agent="Desk 1.0", **more,
        )  # fmt: skip
        self.flows[token] = Way(listener, token, host, port)
        if not alive:
            self.flows[token].closed = True
        self.location.add(made)
        return made

    def leave(self, number: str) -> None:
        """Without a phone."""
        for one in list(self.location.all_of("t0", number)):
            self.location.remove(one)

    def expire(self, number: str, *, lost: bool = False) -> None:
        """As the sweep does it."""
        self.location.watchers.append(self.attempts.watch)
        for one in list(self.location.all_of("t0", number)):
            one.expires_at = WALL + 60 if lost else WALL - 1
            self.location.remove(one, "expired")

    def trunk(self, name: str, state: str = "registered", trouble: str = "", **more: Any) -> None:
        plan = TrunkPlan(name, "t0", f"{name}.example", username="49301000", password="secret", **more)
        self.plans.append((plan, state, trouble))

    def attempt(
        self, number: str, *steps: tuple[str, str, dict[str, Any]], tenant: str = "t0", times: int = 1
    ) -> None:
        """A REGISTER that came from the office."""
        for _ in range(times):
            story = Story(self.now)
            for code, text, data in steps:
                story.add(self.now, code, text, **data)
            self.attempts.note(tenant, number, OFFICE, story)

    def wrong(self, number: str, verdict: Any, times: int = 1) -> None:
        """Credentials that are refused."""
        for _ in range(times):
            story = Story(self.now)
            tell_refusal(story, self.now, verdict, OFFICE)
            self.attempts.note("t0", number, OFFICE, story)

    def stale(self, number: str, times: int) -> None:
        """Expired nonces, one soon after the other."""
        for _ in range(times):
            self.attempts.stale("t0", number, OFFICE)

    def guess(self, times: int) -> None:
        """Somebody in the office guesses passwords, just now."""
        for mark in range(1, times + 1):
            self.fence.failed((OFFICE, 9), "example.com", "7", NOW - 9, mark)

    def ban(self, seconds: float = 3600, source: str = OFFICE) -> None:
        self.fence.ban(source, NOW, seconds)

    def fence_off(self, *trusted: Any) -> None:
        self.fence = Fence(FencePolicy(trusted=trusted))

    # Questions

    def view(self) -> View:
        trunks = [self._trunk(*one) for one in self.plans]
        plans = tuple(one.plan for one in trunks)

        def trunk_for(tenant: str, number: str) -> Trunk | None:
            best = best_of(plans, tenant, number)
            return next((one for one in trunks if one.plan is best), None)

        def alive(token: str) -> Flow | None:
            way = self.flows.get(token)
            return way if way is not None and not way.closed else None

        def gruu(_tenant: str, uri: SipUri) -> tuple[str, list[Any]] | None:
            found = self.gruus.get(uri.params.get("gr") or "")
            return None if found is None else (uri.user, found)

        snapshot = Snapshot(
            self.directory,
            lambda tenant, number: len(self.location.of(tenant, number, WALL)),
            lambda _tenant, number: self.calls.get(number, 0),
            lambda: 2,
            trunk_for,
        )
        live = Live(
            self.fence, NOW, self.listeners, alive, self.media, self.draining, self.load, trunks, gruu,
            lambda host: self.peers.get(host, ""),
        )  # fmt: skip
        return View(
            snapshot,
            lambda tenant, number: self.location.of(tenant, number, WALL),
            WALL,
            self.policy,
            self.profile,
            live if self.running else None,
            self.attempts,
        )

    def _trunk(self, plan: TrunkPlan, state: str, trouble: str) -> Trunk:
        registration: Any = None
        if plan.register:
            registration = SimpleNamespace(
                status=lambda _now: (state, 0.0), trouble=trouble, route="", associated=(), hop=None
            )
        owner: Any = SimpleNamespace(endpoint=SimpleNamespace(now=lambda: NOW))
        digest = DigestClient(Account(plan.username, plan.password))
        made = Trunk(owner, plan, digest, registration, lambda: "c")
        if registration is None:
            made.reachable = {"reachable": True, "unreachable": False}.get(state)
            made.trouble = trouble
        return made

    def ask(self, command: str) -> str:
        """What the command prints into a pipe."""
        words = shlex.split(command)
        assert words[:2] == ["trunkline", "explain"]
        options: dict[str, str] = {}
        number = ""
        rest = iter(words[2:])
        for word in rest:
            if word.startswith("--"):
                options[word[2:]] = next(rest)
            else:
                number = word
        tenant = options.pop("tenant", "default")
        owner = next(one.id for one in self.tenants if one.name == tenant)
        out = io.StringIO()
        screen = Screen(Console(file=out, highlight=False), Console(file=io.StringIO()))
        self._answer(screen, owner, number, options)
        return out.getvalue()

    def _answer(self, screen: Screen, tenant: str, number: str, options: dict[str, str]) -> None:
        described: Any = {key: options.get(key) for key in ("source", "transport", "domain")}
        if "register" not in options:
            ask = ExplainNumber(number=number, caller=options["from"], **described)
            show_explanation(screen, explain_described(self.view(), tenant, ask))
        elif set(options) == {"register"}:
            recent = RecentRegisters(number=options["register"])
            show_history(screen, history_of(self.view(), tenant, recent, self.attempts))
        else:
            expires = int(span(options["expires"])) if "expires" in options else None
            described |= {"contact": options.get("contact"), "expires_s": expires}
            show_explanation(
                screen,
                explain_register(
                    self.view(), tenant, ExplainRegister(number=options["register"], **described)
                ),
            )
