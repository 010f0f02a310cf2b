"""The mobile gateway under measurement: `trunkline up` with a gateway's settings, and accounts that it finds."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.plan import DOMAIN, ROOT, SERVER, SERVER_CPU, Address
from bench.process import Argv, BenchError, running
from bench.sip_probe import wait_until_it_answers
from trunkline.api.principal import Principal
from trunkline.api.tokens import Tokens
from trunkline.base.ids import uuid7
from trunkline.model.device import REST, MobileAccount, MobileDevice
from trunkline.model.tenant import SystemScope
from trunkline.store.mobile_rows import (
    UPSERT_MOBILE_ACCOUNT,
    UPSERT_MOBILE_DEVICE,
    mobile_account_row,
    mobile_device_row,
)
from trunkline.store.store import Store

REGISTRAR: Final = Address("127.0.0.4", 5060)
API: Final = Address("127.0.0.1", 8080)
SECRET: Final = "a secret of the bench, which signs tokens for nobody else"
START_TIMEOUT_S: Final = 300
_AT_ONCE: Final = 5_000
_NEVER: Final = 1_000_000


def user(index: int) -> str:
    """The account of a device at the other exchange; its owner at the API has the same name."""
    return f"m{index}"


def token_of(index: int) -> str:
    """What the owner of a device shows at the API."""
    return Tokens(SECRET, 86_400).mint(Principal(None, user(index)))


@dataclass(frozen=True, slots=True)
class Gateway:
    """``devices`` accounts at `REGISTRAR` with a device each; pushes go to ``apns`` (a URL), signed by ``ca``."""

    devices: int
    apns: str = "https://127.0.0.1:1"
    ca: bytes = b""
    per_registrar_s: int = 10_000
    name: str = "trunkline"

    @contextmanager
    def start(self, folder: Path) -> Iterator[Popen[str]]:
        """Write accounts and devices into a fresh store, then `trunkline up`."""
        config, data = folder / "gateway.toml", folder / "data"
        config.write_text(self._settings(folder))
        seed(data, self.devices)
        up: Argv = [ROOT / ".venv" / "bin" / "trunkline", "up", "--config", config, "--data", data]
        with running(up, cpu=SERVER_CPU, log=folder / "log", cwd=folder) as process:
            try:
                wait_until_it_answers(SERVER, process, START_TIMEOUT_S)
                yield process
            except BenchError as error:
                raise BenchError(f"{error}; its log ends with: {_end_of(folder / 'log')}") from error

    def _settings(self, folder: Path) -> str:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "AuthKey_ABCDE12345.p8").write_bytes(pem)
        (folder / "ca.pem").write_bytes(self.ca)
        trusted = f'ca = "{folder}/ca.pem"\n' if self.ca else ""
        return gateway_settings(folder, self.apns, trusted, self.per_registrar_s)


def gateway_settings(folder: Path, apns: str, trusted: str, per_registrar_s: int) -> str:
    """A configuration file of a gateway alone, without the limits that one source of all load would meet."""
    names = ("per_source", "per_subject")
    limits = "".join(f"{name} = {_NEVER}\n" for name in names)
    return (
        "[exchange]\nenabled = false\n"
        f'[sip]\nlisten = ["udp:{SERVER}"]\n'
        f'[api]\nlisten = "{API}"\npublic_url = "https://gateway.example.com"\n[api.limits]\n{limits}'
        f'[auth]\nsecret = "{SECRET}"\n'
        f'[mobile]\ndomains = ["{DOMAIN}"]\nregistrars = ["{REGISTRAR.ip}"]\n'
        f"per_registrar_s = {per_registrar_s}\n"
        f"[push]\n{trusted}"
        f'[push.apns]\nkey_path = "{folder}/AuthKey_ABCDE12345.p8"\nteam_id = "TEAM123456"\n'
        f'bundle_id = "com.example.bench"\nbase_url = "{apns}"\nsandbox_url = "{apns}"\n'
    )


def seed(data: Path, devices: int) -> None:
    """What apps would have registered one by one by the API."""
    with Store.open(data) as store:
        tenant = store.tenants.list(SystemScope("accounts of the bench"))[0].id
        connection = store.database.connect()
        try:
            for first in range(0, devices, _AT_ONCE):
                some = range(first, min(first + _AT_ONCE, devices))
                accounts = [_account(store, tenant, index) for index in some]
                pairs = zip(some, accounts, strict=True)
                rows = [
                    mobile_device_row(_device(tenant, index, account.id), store.box)
                    for index, account in pairs
                ]
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(UPSERT_MOBILE_ACCOUNT.sql, map(mobile_account_row, accounts))
                connection.executemany(UPSERT_MOBILE_DEVICE.sql, rows)
                connection.execute("COMMIT")
        finally:
            connection.close()


def _account(store: Store, tenant: str, index: int) -> MobileAccount:
    key, now = hashlib.md5(user(index).encode(), usedforsecurity=False).hexdigest(), time.time()
    sealed = store.box.seal("secret", tenant, key)
    return MobileAccount(
        tenant,
        key,
        user(index),
        DOMAIN,
        REGISTRAR.ip,
        "udp",
        REGISTRAR.port,
        "",
        "",
        sealed,
        own=False,
        used_at=now,
        created_at=now,
    )


def _device(tenant: str, index: int, account: str) -> MobileDevice:
    now = time.time()
    return MobileDevice(
        tenant,
        uuid7(),
        user(index),
        account,
        REST,
        "",
        "ios",
        hashlib.sha256(user(index).encode()).hexdigest(),
        "apns",
        "voip",
        f"{index:064x}",
        "",
        "production",
        "com.example.bench",
        "",
        "",
        "",
        active=True,
        disabled_why="",
        created_at=now,
        registered_at=now,
        seen_at=now,
    )


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-1500:].strip()
