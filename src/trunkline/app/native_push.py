"""Phones with a SIP stack of their own that are woken by a push (RFC 8599), put together in a running exchange."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from trunkline.app.mobile_plans import waking_policy
from trunkline.model.binding import Binding
from trunkline.model.text import Text
from trunkline.push.notification import Fate, Notification, Service
from trunkline.registrar.dialog_wakes import DialogWakes
from trunkline.registrar.ports import PushRecords, WakeReason
from trunkline.registrar.push_desk import PushDesk
from trunkline.registrar.push_record import PushRecord
from trunkline.registrar.push_services import PushServices
from trunkline.registrar.quiet_pushes import QuietPushes
from trunkline.registrar.refresh_pushes import RefreshPushes
from trunkline.registrar.wake_pushes import PushWaker

if TYPE_CHECKING:
    from trunkline.app.exchange import Exchange
    from trunkline.app.settings import Settings


class NativePush:
    """It hangs itself into registrar, targets, texts and events. ``send`` is that of all providers.

    ``offered()`` are the services that are configured now, ``vapid()`` our public key for webpush ("" without).
    """

    def __init__(
        self,
        exchange: Exchange,
        records: PushRecords,
        send: Callable[[Notification], Awaitable[Fate]],
        offered: Callable[[], frozenset[Service]],
        vapid: Callable[[], str] = lambda: "",
    ) -> None:
        self._exchange = exchange
        self._offered = offered
        self._vapid = vapid
        waker = PushWaker(send, exchange.wall, lambda: exchange.settings.sip.push.show_caller)
        self.desk = desk = PushDesk(
            self._services(exchange.settings),
            records,
            waker,
            exchange.location,
            exchange.net.flow_from_token,
            wall=exchange.wall,
            purr_key=exchange.store.box.derive("purrs"),
            policy=waking_policy(exchange.settings),
            registrar=exchange.policy,
        )
        spawn, endpoint = exchange.context.spawn, exchange.endpoint
        desk.restore(records)
        self.quiet = QuietPushes(desk, spawn)
        self.refreshes = RefreshPushes(desk, endpoint.wheel, endpoint.now, spawn)
        desk.on_registered = self._registered
        desk.on_gone = self.refreshes.gone
        exchange.registrar.push = desk
        exchange.reaching.push = desk
        exchange.text_queue.on_kept = self._text_waits
        exchange.events.wake = self._news_of_mailbox
        exchange.events.asleep = exchange.reaching.asleep
        self.dialogs = DialogWakes(desk, self.quiet, endpoint.wheel, endpoint.now)
        endpoint.sleeping.waker = self.dialogs

    def _services(self, settings: Settings) -> PushServices:
        push = settings.sip.push
        offered = self._offered() if push.enabled else frozenset()
        return PushServices(offered, self._vapid(), push.pnsreg_s, push.refuse_unsupported)

    def take_settings(self, settings: Settings) -> None:
        """Others from now on, after the registrar and the providers have theirs."""
        refreshed = self.desk.policy.refresh
        self.desk.services = self._services(settings)
        self.desk.policy = waking_policy(settings)
        self.desk.registrar = self._exchange.policy
        if refreshed and not self.desk.policy.refresh:
            self.refreshes.stop()
        elif not refreshed and self.desk.policy.refresh:
            self.start()

    def start(self) -> None:
        """What was registered before this process began is refreshed as well."""
        self.refreshes.restore(self._exchange.location)

    def stop(self) -> None:
        """No more pushes by themselves."""
        self.refreshes.stop()

    def removed(self, tenant: str, number: str) -> None:
        """An extension was removed, or with "" a whole tenant."""
        self.desk.forget_all(tenant, number)

    def _registered(self, record: PushRecord, binding: Binding) -> None:
        self.refreshes.registered(record, binding)
        # A phone that comes back to where it was is no news to the watchers of the location.
        self._exchange.text_queue.wake(binding.tenant, binding.user)
        self._exchange.events.woken(binding)

    def _text_waits(self, text: Text) -> None:
        self.quiet.wake(text.tenant, text.receiver, WakeReason.MESSAGE)

    def _news_of_mailbox(self, tenant: str, number: str) -> None:
        self.quiet.wake(tenant, number, WakeReason.MESSAGE_WAITING)
