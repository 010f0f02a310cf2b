"""``[push]``: the services that wake sleeping apps."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from trunkline.app.settings.guard import Networks
from trunkline.app.settings.secret import Secret, SecretFile, Variable, one_place_at_most, places_of
from trunkline.app.settings.section import Section
from trunkline.app.settings.tls import PemFile
from trunkline.app.settings.values import wrong
from trunkline.app.settings.web_address import WebUrl, as_contact, as_proxy
from trunkline.net.fence.source import Network

_ten = re.compile(r"[A-Z0-9]{10}\Z").match
_bundle = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+\Z").match
_project = re.compile(r"[a-z0-9][a-z0-9.:-]{1,61}[a-z0-9]\Z").match
VOIP = ".voip"


def as_ten(value: Any) -> str:
    """A key's or a team's id as Apple writes it."""
    if not isinstance(value, str) or not (value == "" or _ten(value)):
        raise wrong(
            "the ten letters and digits that Apple shows", "in capitals" if isinstance(value, str) else ""
        )
    return value


def as_bundle(value: Any) -> str:
    """An app's bundle id; a VoIP topic's ``.voip`` is left out, for it is put behind where a push needs it."""
    bare = value.removesuffix(VOIP) if isinstance(value, str) else ""
    if bare == "" == value or _bundle(bare):
        return bare
    raise wrong('a bundle id such as "com.example.phone"')


def as_project(value: Any) -> str:
    """A Firebase project's id."""
    if not isinstance(value, str) or not (value == "" or _project(value)):
        raise wrong('a project id such as "my-phone-app"', "its id, not its name or its number")
    return value


class Apns(Section):
    """Apple devices: a key for tokens (.p8), or a certificate. Files are read again when they change."""

    key_path: PemFile | None = Field(
        default=None,
        description="The key from Apple (`AuthKey_….p8`).",
        examples=['"/data/AuthKey_ABCDE12345.p8"'],
    )
    key_env: Variable = Field(
        default="", description="The environment variable that holds the key's text, instead of `key_path`."
    )
    key_id: Annotated[str, BeforeValidator(as_ten)] = Field(
        default="", description="The key's id. Default: the one in the name of the file."
    )
    team_id: Annotated[str, BeforeValidator(as_ten)] = Field(
        default="", description="The id of the team whose key it is."
    )
    bundle_id: Annotated[str, BeforeValidator(as_bundle)] = Field(
        default="",
        description="The app, when a device does not say. `.voip` behind it is left out.",
        examples=['"com.example.phone"'],
    )
    sandbox: bool = Field(
        default=False,
        description="Whether devices that say nothing are of Apple's sandbox: builds straight from Xcode are, those of "
        "TestFlight and the App Store are not.",
    )
    certificate: PemFile | None = Field(
        default=None,
        description="PEM file of a VoIP services certificate, instead of a key.",
    )
    certificate_key: PemFile | None = Field(
        default=None, description="PEM file of the certificate's key. Default: the same file."
    )
    base_url: WebUrl = Field(default="https://api.push.apple.com", description="Apple's production service.")
    sandbox_url: WebUrl = Field(
        default="https://api.sandbox.push.apple.com", description="Apple's sandbox service."
    )

    @property
    def is_set(self) -> bool:
        """Whether there is anything to push with."""
        return bool(self.key_path or self.key_env or self.certificate)

    @property
    def key_name(self) -> str:
        """The key's id, from the name of its file if need be."""
        found = re.search(r"AuthKey_([A-Z0-9]{10})\.p8\Z", self.key_path or "")
        return self.key_id or (found[1] if found else "")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.key_path and self.key_env:
            raise wrong("one of key_path and key_env", seen="both", at="key_env")
        if self.certificate and (self.key_path or self.key_env):
            raise wrong("a key or a certificate", seen="both", at="certificate")
        if self.certificate_key and not self.certificate:
            raise wrong("the certificate that belongs to the key", seen="nothing", at="certificate")
        if (self.key_path or self.key_env) and not self.key_name:
            raise wrong("the key's id of ten letters and digits", seen="nothing", at="key_id")
        if (self.key_path or self.key_env) and not self.team_id:
            raise wrong("the team's id of ten letters and digits", seen="nothing", at="team_id")
        return self


class Fcm(Section):
    """Android devices, by Firebase Cloud Messaging (HTTP v1). The file is read again when it changes."""

    service_account_path: PemFile | None = Field(
        default=None,
        description="The service account's key, a JSON file from the Firebase console.",
        examples=['"/data/firebase-service-account.json"'],
    )
    service_account_env: Variable = Field(
        default="", description="The environment variable that holds that JSON, instead of the file."
    )
    project_id: Annotated[str, BeforeValidator(as_project)] = Field(
        default="", description="The project. Default: that of the service account."
    )
    base_url: WebUrl = Field(default="https://fcm.googleapis.com", description="Google's service.")

    @property
    def is_set(self) -> bool:
        """Whether there is anything to push with."""
        return bool(self.service_account_path or self.service_account_env)

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.service_account_path and self.service_account_env:
            raise wrong(
                "one of service_account_path and service_account_env", seen="both", at="service_account_env"
            )
        return self


class WebPush(Section):
    """Web Push and UnifiedPush (RFC 8030): browsers, and Android without Google."""

    enabled: bool = Field(default=True, description="`false` takes no device with a subscription.")
    subject: Annotated[str, BeforeValidator(as_contact)] | None = Field(
        default=None,
        description="Whom a push service may write to about us (RFC 8292). Default: `api.public_url`.",
        examples=['"mailto:voice@example.com"'],
    )
    key_path: PemFile | None = Field(
        default=None,
        description="PEM file of the key (P-256) that apps subscribe with. Default: one that is made and kept in "
        "the data folder.",
    )


class Webhook(Section):
    """A URL of yours that is told of every push to devices of kind `webhook`, signed."""

    url: WebUrl | None = Field(
        default=None, description="Where they are sent.", examples=['"https://backend.example.com/wake"']
    )
    secret: Secret = Field(default=None, description="What requests are signed with (HMAC-SHA256).")
    secret_file: SecretFile | None = Field(
        default=None, description="A file with it in its first line, instead of `secret`."
    )
    secret_env: Variable = Field(
        default="", description="The environment variable that holds it, instead of `secret`."
    )

    @model_validator(mode="after")
    def _signed(self) -> Self:
        one_place_at_most(self, "secret")
        given = places_of(self, "secret")
        if self.url and not given:
            raise wrong("the secret that requests are signed with", seen="nothing", at="secret")
        if given and not self.url:
            raise wrong("where signed requests go", seen="nothing", at="url")
        return self


class Push(Section):
    """How apps are woken. A service that nothing is set for takes no devices."""

    proxy: Annotated[str, BeforeValidator(as_proxy)] | None = Field(
        default=None,
        description="A proxy (HTTP CONNECT) that pushes go out through. Default: none.",
        examples=['"http://proxy.example.com:3128"'],
    )
    proxy_username: str = Field(default="", max_length=128, description="Who we are at the proxy.")
    proxy_password: Secret = Field(default=None, description="Never shown, logged or returned.")
    proxy_password_file: SecretFile | None = Field(
        default=None, description="A file with the password in its first line, instead of `proxy_password`."
    )
    proxy_password_env: Variable = Field(
        default="",
        description="The environment variable that holds the password, instead of `proxy_password`.",
    )
    queue: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="Notifications that may wait for one service; the next one is dropped and told.",
    )
    ca: PemFile | None = Field(
        default=None,
        description="PEM file of authorities trusted beside the system's: of push services and of a token issuer.",
    )
    inside: Networks = Field(
        default=(),
        description="Networks where endpoints of subscriptions may be although they are not public, such as that of a "
        "UnifiedPush server of yours. Default: none.",
        examples=['["10.1.2.0/24"]'],
    )
    apns: Apns = Apns()
    fcm: Fcm = Fcm()
    webpush: WebPush = WebPush()
    webhook: Webhook = Webhook()

    @property
    def networks(self) -> tuple[Network, ...]:
        """``inside``, to compare with."""
        return tuple(ipaddress.ip_network(one) for one in self.inside)

    @model_validator(mode="after")
    def _proxy_with_url(self) -> Self:
        one_place_at_most(self, "proxy_password")
        given = places_of(self, "proxy_password")
        if given and not self.proxy_username:
            raise wrong("who we are at the proxy", seen="nothing", at="proxy_username")
        if self.proxy_username and not self.proxy:
            raise wrong("the URL of the proxy", seen="nothing", at="proxy")
        return self
