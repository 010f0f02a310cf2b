"""``[auth]``: who may use the HTTP API."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from trunkline.app.settings.secret import Secret, SecretFile, Variable, one_place_at_most
from trunkline.app.settings.section import Section
from trunkline.app.settings.values import wrong
from trunkline.app.settings.web_address import Issuer, WebUrl

# Values that stand in published examples: whoever has read those knows them.
PLACEHOLDERS = frozenset({"your-jwt-secret-here", "your-api-key-here", "CHANGE-ME-IN-PRODUCTION"})


class Auth(Section):
    """Tokens of apps and their backends: our own (HS256), or those of an OpenID Connect issuer."""

    secret: Secret = Field(
        default=None,
        description="What our tokens are signed with, 32 characters at least; `trunkline secret` makes one. Default: "
        "one derived from the data folder's key.",
    )
    secret_file: SecretFile | None = Field(
        default=None, description="A file with it in its first line, instead of `secret`."
    )
    secret_env: Variable = Field(
        default="", description="The environment variable that holds it, instead of `secret`."
    )
    api_key: Secret = Field(
        default=None,
        description="The key by which the default tenant's backend asks for tokens of its users. It belongs on a "
        "server, never into an app. Default: none, and tokens are for those who prove a SIP account or a device. "
        "`trunkline tenant api-key` gives each tenant a key of its own.",
    )
    api_key_file: SecretFile | None = Field(
        default=None, description="A file with it in its first line, instead of `api_key`."
    )
    api_key_env: Variable = Field(
        default="", description="The environment variable that holds it, instead of `api_key`."
    )
    token_expiry_secs: int = Field(
        default=2_592_000,
        ge=60,
        le=31_536_000,
        description="How long a token of ours is good for, in seconds.",
    )
    issuer: Issuer | None = Field(
        default=None,
        description="Whose tokens are believed beside ours (OpenID Connect), as they stand in `iss`.",
        examples=['"https://login.example.com"'],
    )
    audience: str = Field(
        default="",
        max_length=255,
        description="What must stand in `aud` of such a token.",
        examples=['"voice"'],
    )
    jwks_url: WebUrl | None = Field(
        default=None, description="Where the issuer's keys are. Default: what its discovery document says."
    )

    tenant_claim: str = Field(
        default="",
        max_length=255,
        description="The claim of such a token that holds a tenant's id. Default: all are of the default tenant.",
        examples=['"tenant"'],
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        one_place_at_most(self, "secret")
        one_place_at_most(self, "api_key")
        if self.jwks_url and not self.issuer:
            raise wrong("the issuer whose keys these are", seen="nothing", at="issuer")
        if self.audience and not self.issuer:
            raise wrong("the issuer whose tokens are for this audience", seen="nothing", at="issuer")
        if self.issuer and not self.audience:
            raise wrong(
                "what the issuer writes into aud of tokens for us",
                "a token for another service of the same issuer must not open this one",
                seen="nothing",
                at="audience",
            )
        return self
