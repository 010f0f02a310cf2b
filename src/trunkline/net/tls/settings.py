"""What TLS needs to be told: certificates, whom to trust, what to make when nothing is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

ClientCertificate: TypeAlias = Literal["none", "request", "require"]


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """A PEM file with a certificate (and its chain), one with its key; ``where`` is their place in the settings.

    Both may be the same file.
    """

    certificate: Path
    key: Path
    where: str = "sip.tls"


@dataclass(frozen=True, slots=True)
class ListenerTls:
    """What one TLS or WSS listener has of its own.

    ``certificate`` is shown unless the client names a host that another one fits; ``client_certificate``
    says whether clients are asked for theirs, which must then come from ``client_ca`` (a PEM file).
    """

    certificate: CertificateFiles | None = None
    client_certificate: ClientCertificate = "none"
    client_ca: Path | None = None
    where: str = "sip.tls"


NO_TLS: Final = ListenerTls()


@dataclass(frozen=True, slots=True)
class SelfSigned:
    """A certificate to make when a listener has none: where to keep it and the ``names`` (hosts, addresses) in it."""

    path: Path
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Shared by all listeners. The first of ``certificates`` is for who names no host, and for those we
    connect to when they ask; ``ca`` is whom we trust there, the system's list when None. Without ``verify``
    anybody is: for trials alone."""

    certificates: tuple[CertificateFiles, ...] = ()
    ca: Path | None = None
    self_signed: SelfSigned | None = None
    verify: bool = True
