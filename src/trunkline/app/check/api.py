"""The HTTP API: where it is, what apps are told of it, and the secrets that it stands on."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from trunkline.app.addresses import is_ip
from trunkline.app.check.finding import Case, Finding, Findings
from trunkline.app.check.trunks import private
from trunkline.app.secret_values import secret_of
from trunkline.app.settings import Settings
from trunkline.app.settings.section import Section
from trunkline.base.errors import ConfigError

_say = Findings("api")
# RFC 7518 §3.2: a key for HS256 has 256 bits at least.
SECRET_CHARACTERS: Final = 32
KEY_CHARACTERS: Final = 20


def api(case: Case) -> Iterator[Finding]:
    """Nothing when neither the API nor anything that needs it is set."""
    settings = case.loaded.settings
    if settings.api.address is None:
        if settings.mobile.domains or settings.push.apns.is_set or settings.push.fcm.is_set:
            yield _say.warn(
                "mobile apps are set up and the API is off", 'set api.listen, as in "0.0.0.0:8080"'
            )
        return
    yield from public_url(settings)
    yield from secrets(settings)
    if case.loaded.config is not None and _inline(settings):
        yield from private(case.loaded.config, _say)


def public_url(settings: Settings) -> Iterator[Finding]:
    """What stands in pushes: apps that do not know the gateway's address by themselves ask there."""
    url = settings.api.public_url
    if not url:
        yield _say.warn(
            "api.public_url is not set: pushes do not tell apps where the call is",
            "set it to what phones reach the API by",
        )
        return
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https" and not _is_local(host):
        yield _say.fail(
            f"{url} is no https: passwords and calls would cross the network in clear",
            "put a reverse proxy with TLS in front, and name its address",
        )
    elif _is_local(host):
        yield _say.warn(f"{url} leads to this machine alone", "name what phones reach the API by")
    elif settings.api.root_path and not parts.path.startswith(settings.api.root_path):
        yield _say.warn(
            f"{url} does not have {settings.api.root_path} (api.root_path) in it",
            "mend one of the two: apps ask under api.public_url",
        )
    else:
        yield _say.ok(f"apps ask at {url}")


def _is_local(host: str) -> bool:
    return host == "localhost" or (is_ip(host) and (host.startswith("127.") or host == "::1"))


def secrets(settings: Settings) -> Iterator[Finding]:
    """What tokens are signed with, and what backends show."""
    auth = settings.auth
    signing = yield from secret(auth, "secret", SECRET_CHARACTERS)
    key = yield from secret(auth, "api_key", KEY_CHARACTERS)
    if signing == "":
        yield _say.ok("tokens are signed with a secret derived from the data folder's key")
    if signing and signing == key:
        yield _say.fail(
            "auth.api_key and auth.secret are the same: whoever has the key can sign any token",
            "trunkline secret makes another auth.secret; apps then ask for new tokens",
        )
    if auth.issuer and not auth.issuer.startswith("https://"):
        yield _say.warn(f"the issuer {auth.issuer} is no https", "who is on the way could make tokens")


def secret(one: Section, name: str, least: int) -> Generator[Finding, None, str | None]:
    """Whether it can be read, and is long enough; the generator's value is the secret, None when it cannot be read."""
    try:
        given = secret_of(one, "auth", name)
    except ConfigError as error:
        yield _say.fail(f"{error.key}: {error.seen}: {error.hint}", f"expected {error.expected}")
        return None
    if given and len(given) < least:
        yield _say.warn(
            f"auth.{name} has {len(given)} characters: it can be guessed by who tries long enough",
            f"take {least} at least; trunkline secret makes one",
        )
    path = getattr(one, f"{name}_file")
    if path:
        yield from private(Path(path).expanduser(), _say)
    return given


def _inline(settings: Settings) -> bool:
    push = settings.push
    some = (settings.auth.secret, settings.auth.api_key, push.proxy_password, push.webhook.secret)
    return any(one is not None for one in some)
