"""Calls that apps place, by a device or by credentials: answers ``base.messages.app_calls.PlaceCall``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol
from uuid import uuid4

from trunkline.base.errors import LocalProtocolError, RemoteProtocolError
from trunkline.base.messages import Refused
from trunkline.base.messages.app_calls import CallPlaced, PlaceCall
from trunkline.base.story import Story
from trunkline.call.app_leg import AppLeg
from trunkline.call.call import Call
from trunkline.call.party import Party
from trunkline.call.target import static_targets
from trunkline.media.offer_answer import streams_of
from trunkline.mobile.account_form import AccountForm, read_account
from trunkline.mobile.accounts import Account, row_of
from trunkline.mobile.app_party import OVER
from trunkline.mobile.call_journal import read_body
from trunkline.mobile.destination import read_destination
from trunkline.mobile.domains import in_uri
from trunkline.mobile.idempotency import Keys
from trunkline.mobile.outgoing_call import KEPT, OutgoingCall
from trunkline.mobile.proving import wrong_password
from trunkline.mobile.ways_out import WaysOut
from trunkline.mobile.words import CONFIRMED

if TYPE_CHECKING:
    from trunkline.call.call import Script
    from trunkline.call.context import CallContext
    from trunkline.call.registry import Calls
    from trunkline.mobile.devices import Devices
    from trunkline.mobile.extensions import Extensions
    from trunkline.mobile.office import Office
    from trunkline.mobile.policy import MobilePolicy
    from trunkline.model.device import MobileCall

MAX_SDP: Final = 65_536
_WRONG: Final = frozenset({401, 403, 407})


class Placed(NamedTuple):
    """What an extension's call becomes: who it is, what is done, whose calls it counts among."""

    caller: Party
    script: Script
    parties: tuple[str, ...]


class PlaceForExtension(Protocol):
    """Decides about a call of an extension of ours as about any other of its calls."""

    def __call__(self, tenant: str, user: str, dialled: str, story: Story) -> Placed:
        """``story`` takes the steps of the decision."""
        ...


class _Asked(NamedTuple):
    """``account`` is whose call it is; ``form`` when it came with credentials that nobody has registered with."""

    account: Account
    device_id: str
    form: AccountForm | None = None


class OutgoingCalls:
    """``place_for_extension`` is None without an exchange beside us."""

    def __init__(
        self,
        office: Office,
        devices: Devices,
        extensions: Extensions,
        context: CallContext,
        calls: Calls,
        policy: MobilePolicy,
        place_for_extension: PlaceForExtension | None = None,
    ) -> None:
        self._office = office
        self._devices = devices
        self._extensions = extensions
        self._context = context
        self._calls = calls
        self._policy = policy
        self._place_for_extension = place_for_extension
        self._ways = WaysOut(devices.accounts, policy)
        self._keys = Keys(office.wall)
        self._busy: Counter[tuple[str, str]] = Counter()
        self._kept: dict[str, OutgoingCall] = {}

    async def place(self, tenant: str, ask: PlaceCall) -> CallPlaced:
        """Call somebody; with ``wait`` the reply waits for the answer, and who leaves before it cancels the call."""
        asked = f"{ask.device_id}\0{ask.destination}\0{ask.sdp_offer}"
        known = self._keys.find(tenant, ask.owner, ask.key, asked) if ask.key else None
        party = known or await self._begin(tenant, ask, asked)
        if ask.wait:
            return await party.outcome(self._policy.answer_s)
        await self._office.journal.on_disk()  # from now on its token is answered
        return CallPlaced(call_token=party.token)

    async def _begin(self, tenant: str, ask: PlaceCall, asked: str) -> OutgoingCall:
        offer = _read_offer(ask.sdp_offer)
        user, host = read_destination(ask.destination)
        if self._context.endpoint.draining:
            raise Refused("call.draining", "the gateway is about to stop", "try again soon", 503)
        whose = self._whose(tenant, ask)
        self._check_host(tenant, whose.account, host)
        owner = tenant, ask.owner
        if self._busy[owner] >= self._policy.max_calls:
            detail = f"a user's apps may have placed {self._policy.max_calls} calls at once"
            raise Refused("call.limit", detail, "hang up another one", 429)
        self._busy[owner] += 1
        row = whose.account.row
        peer = f"{user}@{in_uri(host or row.domain)}"
        party = OutgoingCall(self._office, str(uuid4()), tenant, ask.owner, whose.device_id, peer, self._over)
        if whose.form is not None:
            party.unproven = whose.form.address
        if ask.key:
            self._keys.add(tenant, ask.owner, ask.key, asked, party)
        try:
            await self._dial(party, whose, user, host, offer)
        except BaseException:
            party.drop()
            raise
        return party

    async def _dial(self, party: OutgoingCall, whose: _Asked, user: str, host: str, offer: bytes) -> None:
        context, account = self._context, whose.account
        row = account.row
        story = Story(context.endpoint.now())
        story.add(context.endpoint.now(), "call.received", f"{account.address} calls {user} by {party.label}")
        if row.own:
            if self._place_for_extension is None:
                raise Refused("call.failed", "there is no exchange here", "", 502, sip_status=404)
            placed = self._place_for_extension(row.tenant, row.user, user, story)
            call = Call(context, row.tenant, placed.caller, user, story)
        else:
            placed = await self._outside(whose, user, host)
            media = self._office.policy.way
            call = Call(context, row.tenant, placed.caller, user, story, media=media, foreign=True)
        try:
            leg = call.begin_app(party, offer, placed.script)
        except RemoteProtocolError as error:
            raise _bad_offer(error.reason) from error
        party.join(leg)
        self._office.calls.add(party)
        self._calls.add(call, placed.parties)
        self._office.journal.keep(party.kept(call.id, leg.id))

    async def _outside(self, whose: _Asked, user: str, host: str) -> Placed:
        account, row = whose.account, whose.account.row
        target_host = host or row.domain
        if whose.form is None:
            target = await self._ways.of_account(account, user, target_host)
        else:
            target = await self._ways.of_form(account, whose.form, user, target_host)
        caller = Party(row.user, in_uri(row.domain), row.display_name)

        async def script(call: Call) -> None:
            await call.connect(static_targets([target]))
            await call.over()

        return Placed(caller, script, ())

    # Whose call it is

    def _whose(self, tenant: str, ask: PlaceCall) -> _Asked:
        if ask.device_id:
            return self._of_device(tenant, ask)
        if ask.account is None:
            raise Refused("account.invalid", "there is no account", "send device_id, or the SIP account", 422)
        form = read_account(tenant, ask.account, self._policy.listed, self._extensions)
        if form.own and not self._extensions.check(form.tenant, form.user, form.password):
            raise wrong_password()
        known = self._devices.accounts.of_form(form)
        if known is not None and (form.own or (known.knows(form) and known.registration is not None)):
            return _Asked(known, "")
        self._devices.proving.check_tries(form)
        return _Asked(Account(row_of(form, "", None, 0.0), form.password), "", form)

    def _of_device(self, tenant: str, ask: PlaceCall) -> _Asked:
        device = self._devices.book.owned(tenant, ask.device_id, ask.owner)
        account = self._devices.accounts.find(device.account_id) if device is not None else None
        if device is None or account is None:
            raise Refused("device.unknown", "there is no such device", "register the device first", 404)
        if not device.active:
            raise Refused("device.inactive", "the device is not active any more", "register it again", 410)
        self._devices.heard(device)
        return _Asked(account, device.id)

    def _check_host(self, tenant: str, account: Account, host: str) -> None:
        """Toll fraud: an app calls through its own exchange alone."""
        row = account.row
        if host in {"", row.domain, row.registrar}:
            return
        if row.own:
            if self._extensions.owner_of(host) == tenant:
                return
        elif self._policy.listed.names(host) or host in self._policy.listed.of_tenant.get(tenant, ()):
            return
        hint = "call a number or a user of the account's own domain"
        raise Refused("account.domain", "calls to that domain are not allowed", hint, 422)

    def _over(self, party: OutgoingCall) -> None:
        failed = party.failure
        if party.unproven and failed is not None and failed.status in _WRONG:
            self._devices.proving.note_failure(party.tenant, party.unproven)
        owner = party.tenant, party.owner
        self._busy[owner] -= 1
        if self._busy[owner] <= 0:
            del self._busy[owner]

    # After a crash

    def load(self, rows: Iterable[MobileCall]) -> None:
        """The placed calls that the process before us had, before calls are taken up; other rows are passed over."""
        for row in rows:
            if not row.state.startswith(KEPT):
                continue
            try:
                data = read_body(row)
                peer = str(data.get("peer", ""))
                one = OutgoingCall(
                    self._office, row.id, row.tenant, row.owner, row.device_id, peer, self._over
                )
                one.put_back(row, data)
            except LocalProtocolError:
                self._office.journal.forget(((row.tenant, row.id),))
                continue
            self._office.calls.add(one)
            if one.status == OVER:
                self._office.calls.over(one)
            else:
                self._busy[row.tenant, row.owner] += 1
                self._kept[row.leg] = one

    def side(self, leg_id: str) -> OutgoingCall | None:
        """The app's side of a leg that is taken up."""
        return self._kept.get(leg_id)

    def resume(self, calls: Iterable[Call]) -> None:
        """Go on with those whose calls go on; a token of any other is told that we were restarted."""
        kept, self._kept = self._kept, {}
        legs = {leg.id: leg for call in calls for leg in call.legs if isinstance(leg, AppLeg)}
        for key, one in kept.items():
            leg = legs.get(key)
            if leg is None or leg.done:
                one.lose("restarted")
                continue
            one.leg = leg
            if leg.confirmed:
                one.state = CONFIRMED
                one.settled.set()


def _read_offer(text: str) -> bytes:
    body = text.encode("utf-8", "replace")
    if len(body) > MAX_SDP:
        raise Refused("call.sdp", f"the description is longer than {MAX_SDP} bytes", "", 422)
    try:
        streams = streams_of(body) if body else []
    except RemoteProtocolError as error:
        raise _bad_offer(error.reason) from error
    if not streams:
        raise _bad_offer("it has no media line")
    return body


def _bad_offer(why: str) -> Refused:
    return Refused("call.sdp", f"the description cannot be used: {why}", "send the app's offer as it is", 422)
