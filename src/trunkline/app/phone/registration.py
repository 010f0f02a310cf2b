"""The phone's registration: made, kept alive, ended (RFC 3261 §10.2)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from trunkline.app.phone.outcome import PhoneExit, PhoneFailed
from trunkline.app.phone.telling import unheard
from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Response
from trunkline.proto.sip.name_addr import parse_contacts
from trunkline.proto.sip.numbers import parse_delta_seconds

if TYPE_CHECKING:
    from trunkline.app.phone.softphone import Softphone

RETRY_S: Final = 30.0
LEAST_REFRESH_S: Final = 5.0
GOODBYE_S: Final = 3.0
# A challenge costs a number each: enough room for all that one refresh may need.
_CSEQ_STEP: Final = 10


class Registration:
    """``begin`` raises PhoneFailed when it is refused; ``end`` never raises."""

    def __init__(self, phone: Softphone, expires_s: int) -> None:
        self._phone = phone
        self._expires_s = expires_s
        self._call_id = phone.endpoint.ids.call_id()
        self._cseq = 1
        self._task: asyncio.Task[None] | None = None
        self.registered = asyncio.Event()

    async def begin(self) -> None:
        """Register, and refresh from then on."""
        granted = await self._register()
        if isinstance(granted, Response):
            raise refusal(granted, "the server refused the registration")
        self._tell_registered(granted)
        self._task = asyncio.create_task(self._keep(granted), name="registration")

    async def end(self) -> None:
        """Take our contact off again, if the server answers in time."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self.registered.is_set():
            self.registered.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    if (await self._ask(0)).status < 300:
                        self._phone.tell("unregistered")

    async def _keep(self, granted: int) -> None:
        while True:
            # Early enough for another try before it expires, as most phones do.
            await asyncio.sleep(max(LEAST_REFRESH_S, granted * 0.8))
            again = await self._register()
            while isinstance(again, Response):
                self.registered.clear()
                self._phone.tell("registration_lost", status=again.status, reason=again.reason)
                await asyncio.sleep(RETRY_S)
                again = await self._register()
            granted = again
            if not self.registered.is_set():
                self._tell_registered(granted)

    async def _register(self) -> int | Response:
        """The seconds that the server granted, or its refusal."""
        response = await self._ask(self._expires_s)
        if response.status == 423:  # RFC 3261 §10.2.8: ask for as long as it wants
            with suppress(RemoteProtocolError):
                least = parse_delta_seconds(response.headers.get("Min-Expires", ""), "Min-Expires")
                self._expires_s = max(self._expires_s, least)
            response = await self._ask(self._expires_s)
        return self._granted(response) if response.status < 300 else response

    async def _ask(self, expires_s: int) -> Response:
        phone = self._phone
        flow = phone.flow()
        self._cseq += _CSEQ_STEP
        draft = Draft(
            "REGISTER",
            phone.account.registrar,
            f"{phone.account.address};tag={phone.endpoint.ids.tag()}",
            phone.account.address,
            self._call_id,
            self._cseq,
            contact=phone.endpoint.contact(flow),
            extra=f"Expires: {expires_s}\r\n{phone.endpoint.capabilities}",
        )
        return await phone.endpoint.request(draft, flow, authorizer=phone.authorizer())

    def _granted(self, response: Response) -> int:
        """RFC 3261 §10.2.4: what our Contact says, else the Expires header, else what we asked for."""
        ours = self._phone.endpoint.contact(self._phone.flow()).strip("<>")
        with suppress(RemoteProtocolError):
            for contact in parse_contacts(response.headers.get("Contact", "")):
                if contact.uri == ours and contact.expires is not None:
                    return contact.expires
        with suppress(RemoteProtocolError):
            return parse_delta_seconds(response.headers.get("Expires", ""), "Expires")
        return self._expires_s

    def _tell_registered(self, granted: int) -> None:
        self.registered.set()
        account = self._phone.account
        self._phone.tell("registered", address=account.uri_of(account.user), expires_s=granted)


def refusal(response: Response, what: str) -> PhoneFailed:
    """A final response as the end of the program; one that we made ourselves has no headers."""
    if not response.headers:
        return PhoneFailed(unheard(response.status), PhoneExit.UNREACHABLE)
    text = f"{what}: {response.status} {response.reason}"
    if response.status in {401, 403, 407}:
        text += " (wrong user or password?)"
    return PhoneFailed(text, PhoneExit.REFUSED)
