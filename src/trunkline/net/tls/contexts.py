"""TLS of one ``Net``: a context for each listener, one for connections we make, reloaded when files change."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from trunkline.base.errors import ConfigError, TransportError
from trunkline.net.listener import Listener
from trunkline.net.tls.certificates import (
    SETTINGS,
    Certificate,
    Fingerprint,
    fingerprint,
    listener_context,
    load_certificate,
    server_context,
    trust_file,
    utc_now,
)
from trunkline.net.tls.self_signed import keep_self_signed
from trunkline.net.tls.settings import CertificateFiles, TlsSettings

SOON: Final = timedelta(days=14)

log = structlog.get_logger("net")


class Tls:
    """Contexts for handshakes to come; connections that stand keep what they began with.

    ``prepare`` raises ConfigError for files that cannot be used; ``reload`` only logs them and goes on with
    what it has.
    """

    def __init__(self, settings: TlsSettings, now: Callable[[], datetime] = utc_now) -> None:
        self._settings = settings
        self._now = now
        self._changing = threading.Lock()  # files are read in a thread, listeners change on the loop
        self._listeners: list[Listener] = []
        self._servers: dict[Listener, ssl.SSLContext] = {}
        self._client: ssl.SSLContext | None = None
        self._certificates: list[Certificate] = []
        self._paths: list[Path] = []
        self._loaded: Fingerprint = ()
        self._seen: Fingerprint = ()
        self._refused: Fingerprint = ()
        self.self_signed = False

    def prepare(self, listeners: list[Listener]) -> None:
        """Read everything that these listeners need; raises ConfigError."""
        with self._changing:
            self._listeners = [listener for listener in listeners if listener.is_secure]
            self._client = None
            if not self._listeners:
                return
            self.self_signed = any(self._files_of(listener) is None for listener in self._listeners)
            self._renew()
            self._paths = list(dict.fromkeys(self._all_paths()))
            self._loaded = self._seen = fingerprint(self._paths)
            self._load()

    def keep(self, listeners: list[Listener]) -> None:
        """Only these of the listeners are left; what was read for them stays as it is."""
        with self._changing:
            self._listeners = [listener for listener in listeners if listener.is_secure]
            self._servers = {one: self._servers[one] for one in self._listeners if one in self._servers}
            self.self_signed = any(self._files_of(listener) is None for listener in self._listeners)
            self._paths = list(dict.fromkeys(self._all_paths())) if self._listeners else []
            self._certificates = self._certificates if self._listeners else []
            # What the files were when these listeners read them is not known here: the next looks read them anew.
            self._loaded = self._seen = ()

    @property
    def in_use(self) -> bool:
        """Whether any listener needs TLS."""
        return bool(self._listeners)

    def server_context(self, listener: Listener) -> ssl.SSLContext:
        """For the next connection that this listener accepts."""
        return self._servers[listener]

    def client_context(self) -> ssl.SSLContext:
        """For the next connection that we make: the chain is verified there, the name by ``TlsChannel``."""
        if self._client is None:
            try:
                self._client = self._make_client()
            except ConfigError as error:
                raise TransportError(f"TLS cannot be used: {error}") from None
        return self._client

    def reload(self) -> None:
        """Look whether a file has changed and take it over; blocks for a few reads. Never raises.

        A change is taken over once two looks have seen the same: certificate and key are written one
        after the other.
        """
        with self._changing:
            if not self._listeners:
                return
            try:
                self._renew()
            except ConfigError as error:
                log.error("tls.not_renewed", why=str(error))  # noqa: TRY400  (said in full)
            found = fingerprint(self._paths)
            settled, self._seen = found == self._seen, found
            if not settled or found in (self._loaded, self._refused):
                return
            try:
                self._load()
            except ConfigError as error:
                self._refused = found
                log.error("tls.not_reloaded", why=f"{error}; what was loaded before stays in use")  # noqa: TRY400  (said in full)
            else:
                self._loaded = found
                log.info("tls.reloaded", files=[str(path) for path in self._paths])

    def read_anew(self) -> int:
        """Take the files over as they are now, all or none; how many certificates. Blocks; raises ConfigError."""
        with self._changing:
            if not self._listeners:
                return 0
            self._renew()
            found = fingerprint(self._paths)
            self._load()
            self._loaded = self._seen = found
            return len(self._certificates)

    def check(self, more: Sequence[Listener] = ()) -> None:
        """Read the files of these and of the listeners so far, and keep nothing of it. Blocks; raises ConfigError."""
        listeners = [one for one in (*self._listeners, *more) if one.is_secure]
        if not listeners:
            return
        given = [files for one in listeners if (files := self._files_of(one)) is not None]
        wanted = dict.fromkeys((*self._settings.certificates, *given))
        loaded = {files: load_certificate(files) for files in wanted}
        for one in listeners:
            # One of our own making is made anew when it cannot be used.
            if (files := self._files_of(one)) is not None:
                listener_context(loaded[files], (), one.tls)
            elif one.tls.client_ca is not None:
                trust_file(server_context(), one.tls.client_ca, f"{one.tls.where}.client_ca")
        if self._settings.ca is not None:
            self._make_client()

    def notices(self) -> Iterator[str]:
        """What an operator should know of at the start."""
        if self.self_signed and self._settings.self_signed is not None:
            yield (
                f"TLS shows a self-signed certificate ({self._settings.self_signed.path}): phones trust it "
                "only when told to; set sip.tls.certificate and sip.tls.key"
            )
        yield from self.warnings()

    def warnings(self) -> Iterator[str]:
        """Certificates that peers refuse, or will soon."""
        now = self._now()
        for one in self._certificates:
            if complaint := one.complaint(now):
                yield complaint
            elif one.not_after - now < SOON:
                yield f"the certificate {one.files.certificate} expires on {one.not_after:%Y-%m-%d}"

    def _load(self) -> None:
        """Make every context anew, or none."""
        loaded = {files: load_certificate(files) for files in self._all_files()}
        shared = [loaded[files] for files in self._settings.certificates]
        servers = {}
        for listener in self._listeners:
            files = self._files_of(listener) or self._own_files()
            servers[listener] = listener_context(loaded[files], shared, listener.tls)
        client = self._make_client() if self._settings.ca is not None else None
        self._servers, self._client = servers, client
        self._certificates = list(loaded.values())

    def _make_client(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        # The name is a SIP domain, which may stand in a URI of the certificate (RFC 5922 §7.1).
        context.check_hostname = False
        if not self._settings.verify:
            context.verify_mode = ssl.CERT_NONE
        if self._settings.ca is not None:
            trust_file(context, self._settings.ca, "sip.tls.ca")
        else:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        if self._settings.certificates:
            ours = self._settings.certificates[0]
            try:
                context.load_cert_chain(ours.certificate, ours.key)
            except (ssl.SSLError, OSError):
                raise ConfigError(
                    SETTINGS, f"{ours.where}.certificate", str(ours.certificate), "a usable certificate"
                ) from None
        return context

    def _renew(self) -> None:
        wanted = self._settings.self_signed
        if self.self_signed and wanted is not None and keep_self_signed(wanted, self._now()):
            log.info("tls.self_signed_made", path=str(wanted.path), names=list(wanted.names))

    def _files_of(self, listener: Listener) -> CertificateFiles | None:
        """What a listener shows: its own, else the first of all, else None for one of our making."""
        return listener.tls.certificate or next(iter(self._settings.certificates), None)

    def _own_files(self) -> CertificateFiles:
        wanted = self._settings.self_signed
        if wanted is None:
            raise ConfigError(
                SETTINGS, "sip.tls.certificate", "nothing", "a certificate for the TLS listeners"
            )
        return CertificateFiles(wanted.path, wanted.path, "sip.tls")

    def _all_files(self) -> list[CertificateFiles]:
        own = [self._files_of(listener) or self._own_files() for listener in self._listeners]
        return list(dict.fromkeys([*self._settings.certificates, *own]))

    def _all_paths(self) -> Iterator[Path]:
        for files in self._all_files():
            yield files.certificate
            yield files.key
        if self._settings.ca is not None:
            yield self._settings.ca
        for listener in self._listeners:
            if listener.tls.client_ca is not None:
                yield listener.tls.client_ca
