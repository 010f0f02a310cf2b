"""What an operator would write for the two exchanges of a play: somebody else's PBX, and the gateway in front of it."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from trunkline.app.addresses import host_addresses
from trunkline.app.settings import Settings
from trunkline.app.settings.file import complete
from trunkline.push.doubles.apns import FakeApns
from trunkline.push.doubles.fcm import FakeFcm

HOST: Final = "127.0.0.1"
BUNDLE: Final = "com.example.demo"
# The exchange's own default and the phone's ranges lie elsewhere.
_LOWEST_RTP, _HIGHEST_RTP, RTP_PORTS = 20_000, 30_000, 64
_LONG_S: Final = 300.0


def rtp_range() -> tuple[int, int]:
    """First and last of ports that are hardly anybody's; the engine passes over those that are."""
    first = _LOWEST_RTP + 2 * secrets.randbelow((_HIGHEST_RTP - _LOWEST_RTP - RTP_PORTS) // 2)
    return first, first + RTP_PORTS - 1


def pbx_settings(transport: str) -> Settings:
    """Phones come by UDP, the gateway by ``transport``: udp, tcp or tls."""
    listen = ["udp", *([transport] if transport != "udp" else [])]
    return _complete({
        "domain": HOST,
        "node": 1,
        "sip": {"listen": [f"{one}:{HOST}:0" for one in listen], "ring_timeout_s": _LONG_S},
        "media": _media(),
        "metrics": {"listen": "off"},
    })  # fmt: skip


def gateway_settings(
    folder: Path, transport: str, api_key: str, apns: FakeApns, fcm: FakeFcm | None, pbx_ca: Path | None
) -> Settings:
    """Keys are written into ``folder``; ``pbx_ca`` is whom TLS to the PBX trusts."""
    listen = [f"{one}:{HOST}:0" for one in ("udp", "tcp") if one in {"udp", transport}]
    sip: dict[str, Any] = {"listen": listen}
    if pbx_ca is not None:
        sip = {"listen": [*listen, f"tls:{HOST}:0"], "tls": {"ca": str(pbx_ca)}}
    return _complete({
        "domain": "gateway.demo",
        "node": 2,
        "exchange": {"enabled": False},
        "sip": sip,
        "media": _media(),
        "api": {"listen": f"{HOST}:0"},
        "auth": {"api_key": api_key},
        # Whoever reads between two steps must not be too late.
        "mobile": {"domains": [HOST], "contact_timeout_s": 120, "answer_timeout_s": _LONG_S},
        "push": _push(folder, apns, fcm),
        "metrics": {"listen": "off"},
    })  # fmt: skip


def _push(folder: Path, apns: FakeApns, fcm: FakeFcm | None) -> dict[str, Any]:
    key, ca = folder / "AuthKey_DEMO000001.p8", folder / "push-ca.pem"
    made = ec.generate_private_key(ec.SECP256R1())
    key.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    ca.write_bytes(apns.authority.ca_pem)
    apple = {"key_path": str(key), "team_id": "DEMOTEAM01", "bundle_id": BUNDLE}
    apple |= {"base_url": apns.url, "sandbox_url": apns.url}
    if fcm is None:
        return {"ca": str(ca), "apns": apple}
    account = folder / "service-account.json"
    account.write_text(fcm.service_account)
    google = {"service_account_path": str(account), "base_url": fcm.base_url}
    return {"ca": str(ca), "apns": apple, "fcm": google}


def _media() -> dict[str, Any]:
    first, last = rtp_range()
    return {"address": HOST, "ports": f"{first}-{last}"}


def _complete(tables: dict[str, Any]) -> Settings:
    return complete(Settings.model_validate(tables), host_addresses())
