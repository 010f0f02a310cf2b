"""The access token that every request to FCM carries: fetched with a signed grant, and renewed in the background.

A token is good for about an hour. Five minutes before its end a new one is fetched while the old one serves on.
However many ask, one request at a time is made; whoever was told that a token is refused asks for another one by naming
the refused one, so that a hundred refusals in a second cause one request.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

from trunkline.base.errors import ConfigError, TransportError
from trunkline.net.http_client import Answer, HttpClient
from trunkline.push.fcm.service_account import ServiceAccount

EARLY_S: Final = 300.0
LOOK_S: Final = 30.0  # how often the background looks whether there is something to do
FORCED_S: Final = 20.0  # how long a new token that is refused at once stands before another one is asked for
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_TIMEOUT_S: Final = 4.0


class NoAccessError(Exception):
    """There is no access token. ``lasting`` is true when the account or its key is refused, not the network."""

    def __init__(self, why: str, *, lasting: bool) -> None:
        super().__init__(why)
        self.lasting = lasting


@dataclass(frozen=True, slots=True)
class AccessToken:
    """``until`` is of the monotonic clock."""

    text: str = field(repr=False)
    until: float


class AccessTokens:
    """``account`` gives the account as it is now, and raises ConfigError when there is none.

    ``tell`` hears how it stands: "" when a token came, else why there is none.
    """

    def __init__(
        self,
        http: HttpClient,
        account: Callable[[], ServiceAccount],
        tell: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._http = http
        self._account = account
        self._tell = tell
        self._clock = clock
        self._wall = wall
        self._token: AccessToken | None = None
        self._fetching: asyncio.Task[AccessToken] | None = None
        self._failed_at = -LOOK_S
        self._forced_at = -FORCED_S
        self._refusal: NoAccessError | None = None
        self.fetched = 0

    async def get(self) -> str:
        """A token that is good now. Raises NoAccessError."""
        token = self._token
        if token is not None and self._clock() < token.until:
            if self.is_due:
                self.fetch()
            return token.text
        if self._refusal is not None and self._clock() - self._failed_at < LOOK_S:
            raise NoAccessError(str(self._refusal), lasting=True)  # nobody asks for it with every call
        return (await asyncio.shield(self.fetch())).text

    async def instead_of(self, refused: str) -> str:
        """Another token than the one that was refused. Raises NoAccessError."""
        token = self._token
        if token is None or token.text != refused:
            return await self.get()
        if not self._is_fetching:
            if self._clock() - self._forced_at < FORCED_S:
                raise NoAccessError("a new access token was refused as well", lasting=True)
            self._forced_at = self._clock()
        return (await asyncio.shield(self.fetch())).text

    @property
    def is_due(self) -> bool:
        """Whether it is time for a new one; after a failure only half a minute later."""
        token = self._token
        early = token is None or self._clock() >= token.until - EARLY_S
        return early and self._clock() - self._failed_at >= LOOK_S

    def forget(self) -> None:
        """The account is another one."""
        self._token = self._refusal = None
        self._failed_at = -LOOK_S

    def fetch(self) -> asyncio.Task[AccessToken]:
        """The one request that is under way, or a new one."""
        if self._fetching is None or not self._is_fetching:
            self._fetching = asyncio.create_task(self._fetch(), name="fcm access token")
            self._fetching.add_done_callback(_seen)
        return self._fetching

    @property
    def _is_fetching(self) -> bool:
        return self._fetching is not None and not self._fetching.done()

    async def close(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    async def _fetch(self) -> AccessToken:
        try:
            self._token = await self._ask(self._account())
        except ConfigError as error:
            raise self._failed(NoAccessError(str(error), lasting=True)) from None
        except TransportError as error:
            raise self._failed(NoAccessError(f"no access token: {error}", lasting=False)) from None
        except NoAccessError as error:
            raise self._failed(error) from None
        self.fetched += 1
        self._refusal = None
        self._tell("")
        return self._token

    def _failed(self, error: NoAccessError) -> NoAccessError:
        """While the old token serves, only what will last is worth an alarm."""
        self._failed_at = self._clock()
        self._refusal = error if error.lasting else None
        if error.lasting or self._token is None or self._clock() >= self._token.until:
            self._tell(str(error))
        return error

    async def _ask(self, account: ServiceAccount) -> AccessToken:
        self._http.name(account.tokens_url)  # it stands in the operator's file
        form = urlencode({"grant_type": _GRANT, "assertion": account.grant(self._wall())})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await self._http.post(account.tokens_url, form.encode(), headers, timeout_s=_TIMEOUT_S)
        return _read(answer, self._clock())


def _read(answer: Answer, now: float) -> AccessToken:
    """RFC 6749 §5.1 and §5.2. Raises NoAccessError."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = None
    said = found if isinstance(found, dict) else {}
    text, lasts = said.get("access_token"), said.get("expires_in")
    if answer.status == 200 and isinstance(text, str) and text.isascii() and text.isprintable() and text:
        seconds = float(lasts) if isinstance(lasts, int | float) and 0 < lasts <= 86_400 else 3600.0
        return AccessToken(text, now + seconds)
    word = said.get("error")
    code = word if isinstance(word, str) and word.replace("_", "").isalnum() and len(word) < 40 else ""
    hint = "; is the key revoked, or the clock wrong?" if code == "invalid_grant" else ""
    why = f"no access token: {answer.status} {code}".rstrip() + hint
    raise NoAccessError(why, lasting=400 <= answer.status < 500 and answer.status != 429)


def _seen(task: asyncio.Task[AccessToken]) -> None:
    """Nobody may be waiting: what went wrong is told to the next who asks."""
    if not task.cancelled():
        task.exception()
