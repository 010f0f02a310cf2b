"""The mobile gateway put together: accounts, devices and calls of apps, and what wakes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import structlog

from trunkline.app.mobile_plans import hand_over_policy, mobile_policy, registration_policy
from trunkline.app.own_extensions import OwnExtensions
from trunkline.base import messages as asked
from trunkline.mobile.accounts import Accounts
from trunkline.mobile.app_calls import AppCalls
from trunkline.mobile.book import Book
from trunkline.mobile.call_journal import HandOverJournal
from trunkline.mobile.devices import Devices
from trunkline.mobile.domains import in_uri
from trunkline.mobile.door import MobileDoor
from trunkline.mobile.events import AppEvents
from trunkline.mobile.extensions import Extensions, NoExtensions
from trunkline.mobile.incoming import IncomingCalls
from trunkline.mobile.notices import Notices
from trunkline.mobile.office import Office
from trunkline.mobile.outgoing import OutgoingCalls, Placed, PlaceForExtension
from trunkline.mobile.proving import Proving
from trunkline.mobile.purging import Purging
from trunkline.mobile.pushing import Pushing, trouble_of
from trunkline.mobile.suspects import Suspects
from trunkline.mobile.trying import TryingPushes
from trunkline.model.tenant import SystemScope
from trunkline.store.client_registrations import ClientRegistrationJournal
from trunkline.store.mobile_journal import MobileCallJournal, MobileJournal
from trunkline.ua.registrations import Registration, Registrations

if TYPE_CHECKING:
    from trunkline.api.asking import Doorway
    from trunkline.app.exchange import Exchange
    from trunkline.app.handlers import Handler
    from trunkline.app.settings import Settings
    from trunkline.base.messages import Request
    from trunkline.base.story import Story
    from trunkline.call.app_leg import AppSide
    from trunkline.call.call import Call
    from trunkline.call.target import Target
    from trunkline.mobile.ports import PushSender
    from trunkline.model.device import MobileDevice
    from trunkline.pbx.app_calls import AppCallPlacing

log = structlog.get_logger("mobile")
_LOOK_UP_S: Final = 2.0  # for the registrars of all accounts, when a process begins


class MobilePlane:
    """Everything of ``trunkline.mobile`` in a running exchange. ``pusher`` sends notifications."""

    def __init__(self, exchange: Exchange, pusher: PushSender, placing: AppCallPlacing) -> None:
        settings = exchange.settings
        self._exchange = exchange
        self.policy = mobile_policy(settings)
        self.extensions: Extensions = (
            OwnExtensions(exchange.directory) if settings.exchange.enabled else NoExtensions()
        )
        self._make_registrations()
        self._make_devices()
        self._make_calls(pusher, _placing(placing) if settings.exchange.enabled else None)

    def _make_registrations(self) -> None:
        """What we register elsewhere: on behalf of accounts, and to see whether an account is somebody's."""
        exchange = self._exchange
        endpoint, next_hops = exchange.endpoint, exchange.finding.guarded(self.policy.listed)
        wall, spawn = exchange.wall, exchange.context.spawn
        self.registrations = Registrations(
            endpoint,
            next_hops,
            wall=wall,
            spawn=spawn,
            journal=ClientRegistrationJournal(exchange.writer),
            policy=registration_policy(exchange.settings),
        )
        self.registrations.on_trouble = _log_trouble
        # Kept nowhere: such a registration lives as long as somebody waits for its outcome.
        self.probing = Registrations(endpoint, next_hops, wall=wall, spawn=spawn)

    def _make_devices(self) -> None:
        """Accounts, their devices, and what these are told."""
        exchange, policy, wall = self._exchange, self.policy, self._exchange.wall
        journal = MobileJournal(exchange.writer)
        kept = exchange.store.mobile_devices.load_all(SystemScope("devices outlive a restart"))
        self.events = AppEvents(wall)
        self.book = Book(journal, kept)
        self.accounts = Accounts(self.registrations, journal, exchange.store.box, policy, wall)
        proving = Proving(self.accounts, self.probing, self.extensions, policy.prove_s, wall)
        self.devices = Devices(
            self.book, self.accounts, proving, self.extensions, self.events, journal, policy, wall
        )
        self.events.owns = lambda tenant, owner, device: self.book.owned(tenant, device, owner) is not None
        self.purging = Purging(self.devices, policy, wall)

    def _make_calls(self, pusher: PushSender, placing: PlaceForExtension | None) -> None:
        """Calls to apps and from them."""
        exchange, context, endpoint = self._exchange, self._exchange.context, self._exchange.endpoint
        office = self.office = Office(
            endpoint.wheel,
            endpoint.now,
            exchange.wall,
            context.spawn,
            self.book,
            self.events,
            HandOverJournal(MobileCallJournal(exchange.writer)),
            hand_over_policy(exchange.settings),
        )
        office.pushing = Pushing(pusher, self.book)
        office.heard = self.devices.heard
        self.devices.push_trouble = self._push_trouble
        suspects = Suspects(self.book, self._push_trouble, self.devices.tell, context.spawn)
        office.pushing.on_suspect = suspects.note
        exchange.push.pushers.on_trusted = suspects.look
        self.calls = office.calls = AppCalls(exchange.wall)
        self.trying = TryingPushes(self.book, office.pushing)
        self.incoming = IncomingCalls(office)
        self.devices.on_gone = self.incoming.gone
        office.domain_of = self._domain_of
        self.outgoing = OutgoingCalls(
            office, self.devices, self.extensions, context, exchange.calls, self.policy, placing
        )
        self.door = MobileDoor(
            self.registrations,
            context,
            exchange.calls,
            self.incoming,
            Notices(office, endpoint.now),
            exchange.authenticator.ignores,
        )

    crowds: Doorway | None = None
    """Who is connected to the API, once it is served."""

    def _push_trouble(self, device: MobileDevice) -> str:
        pushers = self._exchange.push.pushers
        return trouble_of(device, pushers.has, pushers.trouble_of)

    def api_figures(self) -> dict[str, float]:
        """What is under way at the API."""
        door = self.crowds
        if door is None:
            return {}
        return {
            "requests": len(door.sources.requests),
            "streams": len(door.streams),
            "waits": len(door.waits),
        }

    def api_refused(self) -> float:
        """How often a source had enough."""
        return self.crowds.sources.refused if self.crowds is not None else 0

    # What the exchange asks

    def targets(self, tenant: str, number: str) -> list[Target]:
        """The apps of an extension of ours."""
        return self.incoming.targets(self.book.of_extension(tenant, number))

    def labels(self, tenant: str, number: str) -> list[str]:
        """What stories call the apps of an extension of ours."""
        return [target.label for target in self.targets(tenant, number)]

    def reach(self, tenant: str, number: str) -> int:
        """How many apps an extension of ours has."""
        return len(list(self.book.of_extension(tenant, number)))

    def calls_at(self, source: str) -> bool:
        """Whether an address is a registrar's where we register."""
        return self.registrations.calls(source)

    def removed(self, tenant: str, number: str) -> None:
        """An extension is gone, or with "" a whole tenant."""
        if number:
            self.devices.extension_removed(tenant, number)
        else:
            self.devices.tenant_removed(tenant)
            self.events.forget_tenant(tenant)

    def _domain_of(self, account_id: str | None) -> str:
        account = self.accounts.find(account_id)
        return in_uri(account.row.domain) if account is not None else ""

    # Life

    def load(self) -> None:
        """What the process before us knew of calls, before these are taken up."""
        scope = SystemScope("hand-overs outlive a crash")
        rows = self._exchange.store.mobile_calls.load_all(scope)
        self.incoming.load(rows)
        self.outgoing.load(rows)

    def side(self, leg_id: str, data: dict[str, Any]) -> AppSide | None:
        """Who is behind a leg that outlived a crash."""
        return self.incoming.sides(leg_id, data) or self.outgoing.side(leg_id)

    def resume(self, calls: list[Call]) -> None:
        """Calls that outlived a crash were taken up."""
        self.incoming.resume(calls)
        self.outgoing.resume(calls)

    def start(self) -> None:
        """Register for everybody, each where and as before."""
        store = self._exchange.store
        scope = SystemScope("accounts outlive a restart")
        self.accounts.start(
            store.mobile_accounts.load_all(scope),
            lambda row: bool(self.book.all_of_account(row.id)),
            store.client_registrations.load_all(scope),
        )

    async def find_registrars(self) -> None:
        """Know who may call the contacts that the process before us registered; a moment at most."""
        await self.accounts.registrations.find_registrars(_LOOK_UP_S)

    @property
    def chores(self) -> tuple[Callable[[float], float], ...]:
        """What changed is written, what was silent for long is forgotten: see ``Chores.others``."""
        return self.book.flush_due, self.purging.step

    async def stop(self) -> None:
        """Take our contacts off, write what is left."""
        self.events.close()
        self.probing.close()
        await self.accounts.stop()
        self.book.flush_all()

    def adjust(self, settings: Settings) -> None:
        """Settings that may change while it runs."""
        self.office.policy = hand_over_policy(settings)
        self.policy.become(mobile_policy(settings))

    @property
    def table(self) -> dict[type[Request[Any]], Handler]:
        """The answers to what apps and the command line ask."""
        devices, calls = self.devices, self.calls
        return {
            asked.RegisterDevice: devices.register,
            asked.GetDevice: devices.get,
            asked.ListDevices: devices.list,
            asked.ChangeDevice: devices.change,
            asked.RemoveDevice: devices.remove,
            asked.Heartbeat: devices.heartbeat,
            asked.TestPush: self.trying.test_push,
            asked.ProveAccount: devices.prove_account,
            asked.ProveDevice: devices.prove_device,
            asked.PlaceCall: self.outgoing.place,
            asked.GetAppCall: calls.get,
            asked.RingingAppCall: calls.ringing,
            asked.AcceptAppCall: calls.accept,
            asked.RejectAppCall: calls.reject,
            asked.HangUpAppCall: calls.hang_up,
            asked.AskAppCall: calls.status,
            asked.ListAppCalls: calls.page,
            asked.PressKeys: calls.press,
            asked.HoldAppCall: calls.hold,
            asked.TransferAppCall: calls.transfer,
            asked.AnswerAppChange: calls.answer_change,
        }


def _placing(placing: AppCallPlacing) -> PlaceForExtension:
    """Siblings do not know each other's types."""

    def place(tenant: str, user: str, dialled: str, story: Story) -> Placed:
        return Placed(*placing(tenant, user, dialled, story))

    return place


def _log_trouble(one: Registration) -> None:
    log.warning("registration failed", of=one.plan.address, why=one.trouble, registrar=one.plan.registrar)
