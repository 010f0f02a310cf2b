"""Whether an account is the asker's: its registrar says so, or it is an extension of ours.

A one-shot REGISTER with a Contact of its own is made and taken off again; nothing of it is left. A registrar that
lets everybody register without a challenge proves nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final

from trunkline.base.errors import TrunklineError
from trunkline.base.messages import Refused
from trunkline.mobile.account_form import AccountForm
from trunkline.mobile.accounts import REGISTERED, Accounts, probe_plan
from trunkline.mobile.extensions import Extensions
from trunkline.ua.registrations import Registration, Registrations

_EXPIRES_S: Final = 120
_MOST_AT_ONCE: Final = 32
_MOST_WAITING: Final = 256
_MOST_FAILED: Final = 5
_FORGET_S: Final = 600.0
_MOST_REMEMBERED: Final = 10_000


class Proving:
    """``probing`` are registrations that are kept nowhere, and nobody else's; ``wall`` gives wall-clock seconds."""

    def __init__(
        self,
        accounts: Accounts,
        probing: Registrations,
        extensions: Extensions,
        deadline_s: float,
        wall: Callable[[], float],
    ) -> None:
        self._accounts = accounts
        self._probing = probing
        self._extensions = extensions
        self._deadline_s = deadline_s
        self._wall = wall
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)
        self._waiting: Counter[tuple[str, str]] = Counter()
        self._ends: dict[str, asyncio.Future[str]] = {}
        self._failed: OrderedDict[tuple[str, str], list[float]] = OrderedDict()
        probing.on_change = self._changed

    async def prove(self, form: AccountForm) -> None:
        """Return when it is proven. Refused: ``account.password`` 401, ``account.unreachable`` 503,
        ``account.tries`` 429 after several wrong passwords: a PBX would lock all of us out for them.
        """
        if form.own:
            if not self._extensions.check(form.tenant, form.user, form.password):
                raise wrong_password()
            return
        known = self._accounts.of_form(form)
        if known is not None and known.knows(form) and _vouched(known.registration, self._probing):
            return
        self.check_tries(form)
        if self._waiting.total() >= _MOST_WAITING:
            raise Refused("account.unreachable", "too many accounts are being checked", "try again soon", 503)
        key = form.tenant, form.address
        self._waiting[key] += 1
        try:
            async with self._places:
                await self._probe(form)
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]

    async def _probe(self, form: AccountForm) -> None:
        key = self._probing.new_id()
        end = self._ends[key] = asyncio.get_running_loop().create_future()
        try:
            made = self._probing.add(probe_plan(form, key, _EXPIRES_S))
            async with asyncio.timeout(self._deadline_s):
                word = await end
        except (TimeoutError, TrunklineError):
            raise _unreachable("its registrar does not answer") from None
        finally:
            self._ends.pop(key, None)
            self._probing.remove(key)
        self._judge(form, made, word)

    def _judge(self, form: AccountForm, made: Registration, word: str) -> None:
        if word == REGISTERED:
            if not made.ahead:
                raise Refused(
                    "account.password",
                    "the registrar asked for no password, which proves nothing",
                    "let the PBX challenge REGISTER requests of this gateway",
                    401,
                )
            self.note_success(form.tenant, form.subject)
            return
        if word == "failed":
            raise _unreachable(made.trouble)
        self.note_failure(form.tenant, form.address)
        raise wrong_password()

    def _changed(self, registration: Registration) -> None:
        end = self._ends.get(registration.plan.id)
        if end is not None and not end.done():
            end.set_result(registration.word)

    # Wrong passwords, whoever sends them: registrars count them, and lock all of us out

    def check_tries(self, form: AccountForm) -> None:
        """Refused: ``account.tries`` 429 when there were too many wrong passwords for an account.

        Those that the registrar has not answered yet count as wrong: nobody guesses faster than it answers.
        """
        after = self._wall() - _FORGET_S
        tries = [at for at in self._failed.get((form.tenant, form.address), ()) if at > after]
        if len(tries) + self._waiting[form.tenant, form.address] >= _MOST_FAILED:
            hint = f"wait {_FORGET_S / 60:.0f} minutes, then use the right password"
            raise Refused("account.tries", "too many wrong passwords for this account", hint, 429)

    def note_failure(self, tenant: str, address: str) -> None:
        """A registrar has refused a password of ``user@domain``."""
        key = tenant, address
        now = self._wall()
        self._failed[key] = [*(at for at in self._failed.get(key, ()) if at > now - _FORGET_S), now][
            -_MOST_FAILED:
        ]
        self._failed.move_to_end(key)
        if len(self._failed) > _MOST_REMEMBERED:
            self._failed.popitem(last=False)

    def note_success(self, tenant: str, subject: str) -> None:
        """A password was right, as the domain itself says: another registrar's word takes no wrong one back."""
        self._failed.pop((tenant, subject), None)


def _vouched(registration: Registration | None, office: Registrations) -> bool:
    """Whether the registrar has taken these credentials: it asked for them, and granted what they asked."""
    if registration is None or not registration.ahead:
        return False
    return registration.is_registered(office.endpoint.now()) and not registration.refusals


def wrong_password() -> Refused:
    """The same words for a wrong password and for an account that is not there."""
    return Refused("account.password", "the account or its password is wrong", "check both", 401)


def _unreachable(why: str) -> Refused:
    return Refused("account.unreachable", f"the account could not be checked: {why}", "try again later", 503)
