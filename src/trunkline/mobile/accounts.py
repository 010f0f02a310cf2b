"""Accounts of devices: one registration for each account, however many devices it has.

An account is made with its first device and taken off its registrar with the last. Its id is the user of our Contact
there. What lives here in memory is the truth; the journal follows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from hmac import compare_digest
from typing import Final, NamedTuple, Protocol

from trunkline.base.errors import TrunklineError
from trunkline.mobile.account_form import AccountForm
from trunkline.mobile.domains import in_uri, proven_by
from trunkline.mobile.policy import MobilePolicy
from trunkline.model.client_registration import ClientRegistration
from trunkline.model.device import MobileAccount
from trunkline.proto.sip.digest_client import Account as Credentials
from trunkline.proto.sip.escapes import escape_user
from trunkline.proto.sip.grammar import quote
from trunkline.ua.registrations import Plan, Registration, Registrations

OWNER: Final = "mobile"
REGISTERING: Final = "registering"
REGISTERED: Final = "registered"
UNKNOWN: Final = "unknown"
ERROR: Final = "error"
_TOUCH_S: Final = 3600.0
_AGAIN_S: Final = 15.0  # how often a heartbeat may have a registration tried


class Sealing(Protocol):
    """Keeps passwords at rest: ``store.secret_box``."""

    def seal(self, secret: str, tenant: str, owner: str) -> str:
        """The sealed form, which opens for the same tenant and owner only."""
        ...

    def open(self, sealed: str, tenant: str, owner: str) -> str:
        """The secret; raises KeyFileError."""
        ...


class Journal(Protocol):
    """Where accounts are written down; neither method waits."""

    def keep_accounts(self, accounts: Iterable[MobileAccount]) -> None:
        """Write them some time soon. Its errors are TrunklineErrors."""
        ...

    def forget_account(self, tenant: str, key: str) -> None:
        """Delete one some time soon."""
        ...


class AccountStatus(NamedTuple):
    """``word`` is ``registering``, ``registered``, ``error: ...`` or ``unknown``; times are wall-clock seconds or 0."""

    word: str
    since: float = 0.0
    next_try: float = 0.0


class Account:
    """One account at work; ``row`` is what is kept of it. ``registration`` is None for an extension of ours, and
    after its password was purged.
    """

    __slots__ = ("password", "registration", "row", "tried_at")

    def __init__(self, row: MobileAccount, password: str) -> None:
        self.row = row
        self.password = password
        self.registration: Registration | None = None
        self.tried_at = 0.0

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What makes two accounts the same."""
        row = self.row
        return row.tenant, row.user, row.domain, row.registrar, row.transport

    @property
    def address(self) -> str:
        """``user@domain``."""
        return f"{self.row.user}@{in_uri(self.row.domain)}"

    @property
    def subject(self) -> str:
        """See ``AccountForm``."""
        return proven_by(self.row.user, self.row.domain, self.row.registrar)

    @property
    def uri(self) -> str:
        """Its address of record."""
        return f"sip:{escape_user(self.row.user)}@{in_uri(self.row.domain)}"

    @property
    def is_purged(self) -> bool:
        """Whether its password was forgotten."""
        return not self.row.own and self.row.secret is None

    def knows(self, form: AccountForm) -> bool:
        """Whether somebody gives the credentials that we have; it takes as long for wrong ones."""
        row = self.row
        same = compare_digest(form.password.encode(), self.password.encode())
        return (
            same and bool(self.password) and (row.auth_username, row.port) == (form.auth_username, form.port)
        )

    def registrar_uri(self) -> str:
        """The URI whose servers are looked up: domain, registrar and realm are three values."""
        row = self.row
        port = f":{row.port}" if row.port else ""
        return f"sip:{in_uri(row.registrar)}{port};transport={row.transport}"


class Accounts:
    """All accounts. ``registrations`` are ours alone: we hear of each change; ``wall`` gives wall-clock seconds.

    ``on_status`` hears of each account whose status has another word now.
    """

    def __init__(
        self,
        registrations: Registrations,
        journal: Journal,
        box: Sealing,
        policy: MobilePolicy,
        wall: Callable[[], float],
    ) -> None:
        self.registrations = registrations
        self.on_status: Callable[[Account], None] = lambda _account: None
        self._journal = journal
        self._box = box
        self._policy = policy
        self._wall = wall
        self._by_id: dict[str, Account] = {}
        self._by_key: dict[tuple[str, str, str, str, str], Account] = {}
        registrations.on_change = self._changed

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Account]:
        return iter(self._by_id.values())

    # Life

    def start(
        self,
        rows: Iterable[MobileAccount],
        used: Callable[[MobileAccount], bool],
        kept: Iterable[ClientRegistration],
    ) -> None:
        """Go on where the process before us was: same Call-ID, same Contact, a higher CSeq.

        ``used`` says whether an account has devices; one without is forgotten. Raises KeyFileError when a password
        does not open.
        """
        saved = {one.id: one for one in kept if one.owner == OWNER}
        wanted: list[tuple[Plan, ClientRegistration | None]] = []
        for row in rows:
            if not used(row):
                self._journal.forget_account(row.tenant, row.id)
                continue
            account = self._put(Account(row, self._opened(row)))
            if account.password:
                plan, before = self._plan(account), saved.get(row.id)
                same = before is not None and (before.address, before.registrar) == (
                    plan.address,
                    plan.registrar,
                )
                wanted.append((plan, before if same else None))
        for made in self.registrations.add_all(wanted):
            self._by_id[made.plan.id].registration = made

    async def stop(self) -> None:
        """Take our contacts off, where that is no flood; those of many are left for the next process to refresh."""
        policy = self.registrations.policy
        if len(self.registrations) <= policy.per_s * policy.leave_s:
            await self.registrations.stop()
        else:
            self.registrations.close()

    def hold(self, form: AccountForm, now: float) -> Account:
        """The account of this form; it is made, and registered, when it is not there. ``now`` is the wall clock's."""
        known = self._by_key.get(form.key)
        if known is not None and not known.is_purged and known.row.port == form.port:
            return known
        if known is not None:
            self.drop(known)
        key = self.registrations.new_id()
        sealed = None if form.own else self._box.seal(form.password, form.tenant, key)
        row = row_of(form, key, sealed, now)
        self._journal.keep_accounts((row,))
        account = self._put(Account(row, "" if form.own else form.password))
        if not form.own:
            account.registration = self.registrations.add(self._plan(account))
        return account

    def change_credentials(self, account: Account, form: AccountForm) -> None:
        """Another password, or another name for digest."""
        row = account.row
        row.secret = self._box.seal(form.password, row.tenant, row.id)
        row.auth_username = form.auth_username
        row.display_name = form.display_name or row.display_name
        self._journal.keep_accounts((row,))
        account.password = form.password
        plan = self._plan(account)
        if plan.account is not None:
            self.registrations.change(row.id, plan.account, plan.display)

    def drop(self, account: Account) -> None:
        """Its last device is gone: the contact is taken off, and then nothing is sent for it any more."""
        row = account.row
        self._by_id.pop(row.id, None)
        if self._by_key.get(account.key) is account:
            del self._by_key[account.key]
        self._journal.forget_account(row.tenant, row.id)
        account.registration = None
        account.password = ""
        self.registrations.remove(row.id)

    def purge(self, account: Account) -> None:
        """Forget the password of an account that was silent for long, and take its contact off."""
        account.row.secret = None
        account.password = ""
        account.registration = None
        self.registrations.remove(account.row.id)
        self._journal.keep_accounts((account.row,))

    def touch(self, account: Account, now: float) -> None:
        """One of its devices was heard; ``now`` is the wall clock's. Written down once in a while."""
        row = account.row
        if now - row.used_at >= _TOUCH_S:
            row.used_at = now
            with suppress(TrunklineError):  # the next one is written
                self._journal.keep_accounts((row,))

    def try_now(self, account: Account, now: float) -> None:
        """Its app lives: a registration that failed is tried at once. Not one that was refused, such as for a wrong
        password: registrars lock out who insists. ``now`` is the wall clock's.
        """
        registration = account.registration
        if registration is None or now - account.tried_at < _AGAIN_S:
            return
        word, _ = registration.status(self.registrations.endpoint.now())
        if word in {"failed", "expired"}:
            account.tried_at = now
            self.registrations.register_now(account.row.id)

    # Questions

    def find(self, account_id: str | None) -> Account | None:
        """By its id."""
        return self._by_id.get(account_id) if account_id else None

    def of_form(self, form: AccountForm) -> Account | None:
        """By what makes it the same."""
        return self._by_key.get(form.key)

    def status(self, account: Account | None) -> AccountStatus:
        """How it is registered, in truth."""
        if account is None:
            return AccountStatus(UNKNOWN)
        if account.row.own:
            return AccountStatus(REGISTERED, account.row.created_at)
        registration = account.registration
        if registration is None:
            return AccountStatus("error: the password was forgotten after a long silence")
        now = self.registrations.endpoint.now()
        word, since = registration.status(now)
        wall = self._wall() - now
        next_try = wall + registration.due if registration.due > now else 0.0
        return AccountStatus(_in_words(word, registration.trouble), wall + since, next_try)

    def by_state(self, tenant: str | None = None) -> Counter[str]:
        """How many are ``registered``, ``registering`` or in ``error``: of one tenant, or of all."""
        now = self.registrations.endpoint.now()
        return Counter(
            _state(account, now) for account in self if tenant is None or account.row.tenant == tenant
        )

    # What happens by itself

    def _changed(self, registration: Registration) -> None:
        account = self._by_id.get(registration.plan.id)
        if account is not None and account.registration is registration:
            self.on_status(account)

    def _put(self, account: Account) -> Account:
        self._by_id[account.row.id] = account
        self._by_key[account.key] = account
        return account

    def _opened(self, row: MobileAccount) -> str:
        return self._box.open(row.secret, row.tenant, row.id) if row.secret is not None else ""

    def _plan(self, account: Account) -> Plan:
        row = account.row
        return Plan(
            row.tenant,
            row.id,
            OWNER,
            account.uri,
            account.registrar_uri(),
            Credentials(row.auth_username or row.user, account.password),
            self._policy.expires_s,
            learns_address=self._policy.learns_address,
            display=quote(row.display_name) if row.display_name else "",
        )


def row_of(form: AccountForm, key: str, sealed: str | None, now: float) -> MobileAccount:
    """What is kept of an account."""
    return MobileAccount(
        form.tenant,
        key,
        form.user,
        form.domain,
        form.registrar,
        form.transport,
        form.port,
        form.auth_username,
        form.display_name,
        sealed,
        form.own,
        now,
        now,
    )


def probe_plan(form: AccountForm, key: str, expires_s: int) -> Plan:
    """A registration that is made to see whether it is granted, and taken off at once."""
    account = Account(row_of(form, key, None, 0.0), form.password)
    credentials = Credentials(form.auth_username or form.user, form.password)
    return Plan(form.tenant, key, "proof", account.uri, account.registrar_uri(), credentials, expires_s)


def _state(account: Account, now: float) -> str:
    if account.row.own:
        return REGISTERED
    word = account.registration.status(now)[0] if account.registration is not None else ERROR
    return word if word in {REGISTERED, REGISTERING} else ERROR


def _in_words(word: str, trouble: str) -> str:
    if word in {REGISTERED, REGISTERING}:
        return word
    return f"error: {trouble or word}"
