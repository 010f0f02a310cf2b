"""Certificates of the TLS listeners: readable, theirs the key, in time, and for the right names."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from trunkline.app.addresses import is_ip
from trunkline.app.check.finding import Case, Finding, Findings
from trunkline.app.from_settings import listeners_of, tls_settings
from trunkline.base.errors import ConfigError
from trunkline.net.tls.certificates import Certificate, load_certificate, trust_file, utc_now
from trunkline.net.tls.contexts import SOON
from trunkline.net.tls.settings import CertificateFiles

_say = Findings("certificates")


def certificates(case: Case) -> Iterator[Finding]:
    """Each certificate that a listener shows, and each file of authorities."""
    settings = case.loaded.settings
    shared = tls_settings(settings, case.data.path, case.loaded.host)
    secure = [one for one in listeners_of(settings, "0000") if one.is_secure]
    if not secure:
        yield _say.ok("no listener uses TLS")
        return
    own = [one.tls.certificate for one in secure if one.tls.certificate is not None]
    files = dict.fromkeys((*shared.certificates, *own))
    for one in files:
        yield from look_at(one, settings.domain, utc_now())
    if not shared.certificates and len(own) < len(secure):
        yield _say.warn(
            "a self-signed certificate is shown: phones trust it only when told to, browsers hardly ever",
            "set sip.tls.certificate and sip.tls.key",
        )
    trusted = {"sip.tls.ca": shared.ca} | {f"{one.tls.where}.client_ca": one.tls.client_ca for one in secure}
    for key, path in trusted.items():
        if path is not None:
            yield _authorities(key, path)


def look_at(files: CertificateFiles, domain: str, now: datetime) -> Iterator[Finding]:
    """Whether it can be used, for how long, and for whom."""
    try:
        found = load_certificate(files)
    except ConfigError as error:
        yield _say.fail(f"{error.key}: {error.seen}", error.hint or f"expected {error.expected}")
        return
    where, until = files.certificate, f"{found.not_after:%Y-%m-%d}"
    if complaint := found.complaint(now):
        yield _say.fail(complaint, "get a new one; the exchange takes it over when the file changes")
    elif found.not_after - now < SOON:
        yield _say.warn(f"{where} expires on {until}", "renew it; the exchange takes it over by itself")
    else:
        yield _say.ok(f"{where} is valid until {until}, for {', '.join(found.names[:5]) or 'no host'}")
    yield from _names(found, domain)


def _names(found: Certificate, domain: str) -> Iterator[Finding]:
    # RFC 5922 §7.2: a phone compares the SIP domain with the names of the certificate.
    if not is_ip(domain.strip("[]")) and not found.is_for(domain):
        yield _say.warn(
            f"{found.files.certificate} is not for the domain {domain}",
            f"a certificate with {domain} among its names, or phones that use one of its names as domain",
        )


def _authorities(key: str, path: Path) -> Finding:
    try:
        trust_file(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), path, key)
    except ConfigError as error:
        return _say.fail(f"{key}: {error.seen}", error.hint or f"expected {error.expected}")
    return _say.ok(f"{key}: {path} can be read")
