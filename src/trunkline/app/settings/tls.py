"""``[sip.tls]``: certificates that listeners show, and whom we trust when we connect."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from trunkline.app.settings.section import Section
from trunkline.app.settings.values import as_file, as_tables, wrong

PemFile = Annotated[str, BeforeValidator(as_file)]


class Certificate(Section):
    """A certificate beside the first. It is shown to clients that ask for a host which it is for (SNI)."""

    certificate: PemFile = Field(description="PEM file: the certificate, then its chain.")
    key: PemFile | None = Field(default=None, description="PEM file of its key. Default: the same file.")


class Tls(Section):
    """Certificates of `tls:` and `wss:` listeners. Files that change are taken over without a restart."""

    certificate: PemFile | None = Field(
        default=None,
        description="PEM file: the certificate, then its chain. Default: one that Trunkline makes and signs itself.",
        examples=['"/etc/letsencrypt/live/pbx.example.com/fullchain.pem"'],
    )
    key: PemFile | None = Field(
        default=None, description="PEM file of its key, without a password. Default: the same file."
    )
    ca: PemFile | None = Field(
        default=None,
        description="PEM file of the authorities that servers we connect to are checked against. "
        "Default: the system's.",
    )
    certificates: Annotated[tuple[Certificate, ...], BeforeValidator(as_tables)] = Field(
        default=(), description="More certificates, as tables; the client's SNI chooses among all."
    )

    @model_validator(mode="after")
    def _key_with_certificate(self) -> Self:
        if self.key and not self.certificate:
            raise wrong("the certificate that belongs to the key", seen="nothing", at="certificate")
        return self
