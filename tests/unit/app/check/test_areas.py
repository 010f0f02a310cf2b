"""Each area of the check by itself: what it finds, how bad that is, and that it says what to do."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.unit.app.mistakes import write_certificate
from trunkline.app.addresses import HostAddresses
from trunkline.app.check import clock, disk, domain, limits, ports
from trunkline.app.check.certificates import certificates, look_at
from trunkline.app.check.finding import Case, Finding, Grade
from trunkline.app.data_folder import DataFolder
from trunkline.app.file_limit import FileLimit
from trunkline.app.settings import Settings
from trunkline.app.settings.file import load_settings
from trunkline.base.messages import ExchangeStatus, ListenerRow
from trunkline.model.extension import NewExtension
from trunkline.model.tenant import SystemScope, TenantScope
from trunkline.net import NetSettings
from trunkline.net.tls.certificates import utc_now
from trunkline.net.tls.settings import CertificateFiles
from trunkline.store.schema import HEAD
from trunkline.store.store import Store

HOST = HostAddresses("192.0.2.7")


def case(folder: Path, text: str = "", running: ExchangeStatus | None = None) -> Case:
    """A file with this text in a folder that is also the data folder."""
    (folder / "t.toml").write_text(text)
    loaded = load_settings(folder / "t.toml", folder, host=HOST, env={})
    return Case(loaded, loaded.data, running)


def status(*listeners: ListenerRow) -> ExchangeStatus:
    return ExchangeStatus(
        version="1", pid=os.getpid(), state="running", started_at=0.0, uptime_s=1.0, domain="a", data="/d",
        listeners=listeners,
    )  # fmt: skip


def bad(findings: Iterable[Finding]) -> list[tuple[Grade, str]]:
    """What is not well; each of these must say what to do."""
    found = [finding for finding in findings if finding.grade is not Grade.OK]
    assert all(finding.mend for finding in found)
    return [(finding.grade, finding.what) for finding in found]


@pytest.fixture
def taken() -> Iterator[int]:
    """A UDP port that somebody else holds."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        yield other.getsockname()[1]


def proc(folder: Path, *, local: str = "32768 60999", reserved: str = "", udp: str = "") -> Path:
    """A /proc with what the check reads."""
    (folder / "sys/net/ipv4").mkdir(parents=True)
    (folder / "net").mkdir()
    (folder / "sys/net/ipv4/ip_local_port_range").write_text(local)
    (folder / "sys/net/ipv4/ip_local_reserved_ports").write_text(reserved)
    (folder / "net/udp").write_text(f"header\n{udp}")
    return folder


# Ports


def test_a_port_that_is_taken_fails_and_names_its_holder(tmp_path: Path, taken: int) -> None:
    text = f'sip.listen = "udp:127.0.0.1:{taken}"\nmetrics.listen = "off"\n'
    ((grade, what),) = bad(list(ports.ports(case(tmp_path, text)))[:1])
    assert grade is Grade.FAIL
    assert f"UDP 127.0.0.1:{taken}, which is in use by" in what
    assert f"(pid {os.getpid()})" in what


def test_a_port_that_our_own_exchange_holds_is_well(tmp_path: Path, taken: int) -> None:
    running = status(ListenerRow(f"udp:127.0.0.1:{taken}"))
    text = f'sip.listen = "udp:127.0.0.1:{taken}"\nmetrics.listen = "off"\n'
    first = next(iter(ports.ports(case(tmp_path, text, running))))
    assert (first.grade, first.what) == (
        Grade.OK,
        f"udp:127.0.0.1:{taken} is held by our own exchange (pid {os.getpid()})",
    )


def test_a_metrics_port_that_is_taken_fails(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        text = f'sip.listen = "udp:127.0.0.1:0"\nmetrics.listen = "127.0.0.1:{other.getsockname()[1]}"\n'
        found = bad(ports.ports(case(tmp_path, text)))
    assert any(grade is Grade.FAIL and what.startswith("metrics on") for grade, what in found)


def media(text: str, folder: Path, **values: str) -> list[tuple[Grade, str]]:
    loaded = load_settings(
        None, folder, {"media.ports": text, "sip.listen": ["udp:127.0.0.1:15060"]}, HOST, {}
    )
    return bad(ports.media_ports(loaded.settings, running=False, proc=proc(folder, **values)))


def test_media_ports_may_not_hold_a_listener(tmp_path: Path) -> None:
    ((grade, what),) = media("15000-16000", tmp_path)
    assert (grade, what) == (Grade.FAIL, "udp:127.0.0.1:15060 lies within the media ports 15000-16000")


def test_media_ports_that_nobody_uses_may_hold_a_listener(tmp_path: Path) -> None:
    text = 'sip.listen = "udp:127.0.0.1:15060"\nmetrics.listen = "off"\n'
    within = "udp:127.0.0.1:15060 lies within the media ports 10000-20000"
    assert (Grade.FAIL, within) in bad(ports.ports(case(tmp_path, text)))
    assert all(
        "media" not in what
        for _, what in bad(ports.ports(case(tmp_path, text + "exchange.enabled = false\n")))
    )


def test_media_ports_that_others_hold_are_counted(tmp_path: Path) -> None:
    row = "  1: 0100007F:2712 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 1 2 0 0\n"
    ((grade, what),) = media("10000-10100", tmp_path, udp=row)
    assert (grade, what.startswith("1 of the media ports")) == (Grade.WARN, True)
    assert "the first is 10002" in what


def test_media_ports_within_the_kernels_range_are_told_unless_reserved(tmp_path: Path) -> None:
    ((grade, what),) = media("40000-40999", tmp_path)
    assert (grade, "40000-40999" in what) == (Grade.WARN, True)
    (tmp_path / "b").mkdir()
    assert media("40000-40999", tmp_path / "b", reserved="22,40000-40999") == []


# Certificates


def test_a_certificate_is_looked_at_for_its_dates_and_names(tmp_path: Path) -> None:
    write_certificate(tmp_path / "x")
    (tmp_path / "pbx.key").write_bytes((tmp_path / "own.key").read_bytes())
    files = CertificateFiles(tmp_path / "pbx.pem", tmp_path / "pbx.key")
    now = utc_now()
    assert bad(look_at(files, "pbx.example.com", now)) == []
    assert bad(look_at(files, "192.0.2.1", now)) == []
    ((grade, what),) = bad(look_at(files, "other.example", now))
    assert (grade, "is not for the domain other.example" in what) == (Grade.WARN, True)
    ((grade, what),) = bad(look_at(files, "pbx.example.com", now + timedelta(days=80)))
    assert (grade, "expires on" in what) == (Grade.WARN, True)
    ((grade, what),) = bad(look_at(files, "pbx.example.com", now + timedelta(days=91)))
    assert (grade, "has expired" in what) == (Grade.FAIL, True)


def test_files_that_cannot_be_used_fail(tmp_path: Path) -> None:
    write_certificate(tmp_path / "x")
    listen = '[sip]\nlisten = "tls:127.0.0.1:0"\n[sip.tls]\n'
    missing = f'{listen}certificate = "{tmp_path}/none.pem"\nca = "{tmp_path}/none-either.pem"\n'
    assert [grade for grade, _ in bad(certificates(case(tmp_path, missing)))] == [Grade.FAIL, Grade.FAIL]
    other = f'{listen}certificate = "{tmp_path}/pbx.pem"\nkey = "{tmp_path}/other.key"\n'
    ((_, what),) = bad(certificates(case(tmp_path, other)))
    assert "does not belong to the certificate" in what
    ((grade, what),) = bad(certificates(case(tmp_path, listen)))
    assert (grade, "self-signed" in what) == (Grade.WARN, True)
    assert bad(certificates(case(tmp_path, 'sip.listen = "udp:127.0.0.1"'))) == []


# DNS


def settings(*listen: str) -> Settings:
    overrides = {"domain": "pbx.example", "sip.listen": list(listen), "sip.advertise": "203.0.113.5"}
    return load_settings(None, Path("/nowhere"), overrides, HOST, {}).settings


def test_the_domain_leads_to_us_or_not() -> None:
    ours = domain.advertised(settings("udp:0.0.0.0:5060"))
    assert ours == {"203.0.113.5"}
    assert bad(domain.addresses("pbx.example", ours, lambda _name: {"203.0.113.5"})) == []
    ((_, what),) = bad(domain.addresses("pbx.example", ours, lambda _name: {"198.51.100.1"}))
    assert what == "pbx.example leads to 198.51.100.1, and we tell phones 203.0.113.5"
    ((_, what),) = bad(domain.addresses("pbx.example", ours, lambda _name: set()))
    assert "has no address in DNS" in what


def test_an_address_as_domain_is_ours_or_not(tmp_path: Path) -> None:
    assert bad(domain.domain(case(tmp_path, 'domain = "192.0.2.7"'))) == []
    ((grade, _),) = bad(domain.domain(case(tmp_path, 'domain = "198.51.100.1"')))
    assert grade is Grade.WARN


@pytest.mark.parametrize(
    ("listen", "records", "said"),
    [
        ("udp:0.0.0.0:5060", {}, ""),
        ("udp:0.0.0.0:5060", {"_sip._udp": [("a.example", 5060)]}, ""),
        ("udp:0.0.0.0:5070", {}, "_sip._udp.pbx.example is not there, and udp is on 5070"),
        ("udp:0.0.0.0:5070", {"_sip._udp": [("a.example", 5070)]}, ""),
        (
            "udp:0.0.0.0:5070",
            {"_sip._udp": [("a.example", 5060)]},
            "leads to a.example:5060, and we listen on 5070",
        ),
        ("udp:0.0.0.0:5060", {"_sip._tcp": [("a.example", 5060)]}, "no listener has tcp"),
        ("tls:0.0.0.0:5062", {}, "_sips._tcp.pbx.example is not there, and tls is on 5062"),
    ],
)
def test_service_records_fit_the_listeners(
    listen: str, records: dict[str, list[domain.Target]], said: str
) -> None:
    found = bad(
        domain.servers(
            "pbx.example", settings(listen), lambda name: records.get(name.removesuffix(".pbx.example"), [])
        )
    )
    assert [what for _, what in found if said in what] == [what for _, what in found]
    assert bool(found) == bool(said)


def test_silent_name_servers_are_told_once() -> None:
    def silent(_name: str) -> list[domain.Target]:
        raise domain.NoAnswer("the name servers do not answer (LifetimeTimeout)")

    ((_, what),) = bad(domain.servers("pbx.example", settings("udp:0.0.0.0:5060"), silent))
    assert "do not answer" in what


# Disk


def test_a_new_store_is_whole_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    Store.open(folder).close()
    assert bad(disk.store(folder)) == []
    assert bad(disk._private(folder)) == []
    folder.chmod(0o755)
    ((grade, what),) = bad(disk._private(folder))
    assert (grade, "open to other users" in what) == (Grade.WARN, True)


def test_a_store_of_another_schema_is_told(tmp_path: Path) -> None:
    Store.open(tmp_path).close()

    def revision(name: str) -> list[Finding]:
        with sqlite3.connect(tmp_path / "trunkline.db") as connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (name,))
        connection.close()
        return list(disk.store(tmp_path))

    ((grade, what),) = bad(revision("9999"))
    assert (grade, f"knows up to {HEAD}" in what) == (Grade.FAIL, True)
    assert any(f"the next start brings it to {HEAD}" in finding.what for finding in revision("0000"))


def test_a_damaged_store_fails(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    path = tmp_path / "trunkline.db"
    data = bytearray(path.read_bytes())
    data[5000:9000] = b"\xff" * 4000
    path.write_bytes(data)
    assert Grade.FAIL in {grade for grade, _ in bad(disk.store(tmp_path))}
    path.write_bytes(b"no database at all, but long enough to be looked at" * 20)
    ((grade, _),) = bad(disk.store(tmp_path))
    assert grade is Grade.FAIL


def test_a_key_that_opens_no_stored_password_fails(tmp_path: Path) -> None:
    with Store.open(tmp_path) as made:
        (tenant,) = made.tenants.list(SystemScope("a test"))
        assert bad(disk.store(tmp_path)) == []  # without passwords no key is needed
        made.extensions.add(TenantScope(tenant.id), NewExtension("1001", "quiet-otter"))
    assert any("opens the stored passwords" in finding.what for finding in disk.store(tmp_path))
    (tmp_path / "secret.key").write_text("garbage\n")
    ((grade, what),) = bad(disk.store(tmp_path))
    assert (grade, "cannot be opened" in what) == (Grade.FAIL, True)
    (tmp_path / "secret.key").unlink()
    ((grade, _),) = bad(disk.store(tmp_path))
    assert grade is Grade.FAIL


def test_a_folder_of_somebody_else_is_told_with_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_settings(None, tmp_path, host=HOST, env={})
    monkeypatch.setattr("os.access", lambda *_: False)
    ((grade, what),) = bad(disk.disk(Case(loaded, loaded.data)))
    assert (grade, "is read-only" in what) == (Grade.FAIL, True)
    monkeypatch.setattr("os.geteuid", lambda: -1)
    ((_, what),) = bad(disk.disk(Case(loaded, loaded.data)))
    assert f"belongs to {tmp_path.owner()}" in what


def test_a_missing_folder_is_made_by_the_first_start(tmp_path: Path) -> None:
    loaded = load_settings(None, tmp_path / "a/b", host=HOST, env={})
    assert bad(disk.disk(Case(loaded, loaded.data))) == []
    (tmp_path / "file").write_text("")
    file = DataFolder(tmp_path / "file", "--data")
    ((grade, what),) = bad(disk.disk(Case(loaded, file)))
    assert (grade, "is no folder" in what) == (Grade.FAIL, True)


@pytest.mark.parametrize(
    ("mebibytes", "inodes", "grade"),
    [(10, 10_000, Grade.FAIL), (500, 10_000, Grade.WARN), (5000, 10_000, Grade.OK), (5000, 10, Grade.FAIL)],
)
def test_room_is_bytes_and_inodes(mebibytes: int, inodes: int, grade: Grade) -> None:
    free: Any = SimpleNamespace(f_bavail=mebibytes, f_frsize=1 << 20, f_files=100_000, f_favail=inodes)
    assert disk.room(cast("os.statvfs_result", free), Path("/d")).grade is grade


# Clock


def test_a_clock_that_begins_in_1970_fails() -> None:
    assert clock.year(86_400.0).grade is Grade.FAIL
    assert clock.year(time.time()).grade is Grade.OK


@pytest.mark.parametrize(
    ("state", "timesync", "grade"),
    [(0, False, Grade.OK), (5, False, Grade.WARN), (5, True, Grade.OK), (None, False, Grade.WARN)],
)
def test_somebody_keeps_the_clock_right(state: int | None, timesync: bool, grade: Grade) -> None:
    assert clock.synchronised(state, timesync=timesync).grade is grade


def test_the_kernel_is_asked() -> None:
    assert clock.kernel_state() in {None, 0, 1, 2, 3, 4, 5}


def test_a_store_from_the_future_means_that_the_clock_has_gone_back(tmp_path: Path) -> None:
    (tmp_path / "trunkline.db").write_text("")
    now = time.time()
    assert bad(clock.gone_back(tmp_path, now)) == []
    ((_, what),) = bad(clock.gone_back(tmp_path, now - 3600))
    assert "in the future" in what


# Limits


def test_open_files_fail_when_the_media_ports_alone_do_not_fit() -> None:
    assert limits.files(FileLimit(1024, 15_000, 20_000)).grade is Grade.FAIL
    assert limits.files(FileLimit(20_000, 15_000, 20_000)).grade is Grade.WARN
    assert limits.files(FileLimit(65_536, 15_000, 20_000)).grade is Grade.OK


def test_the_limit_of_the_running_exchange_counts(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    row = "Max open files            1024                 4096                 files     \n"
    (tmp_path / "7/limits").write_text(
        "Limit                     Soft Limit           Hard Limit           Units     \n" + row
    )
    assert limits.allowed_files(7, tmp_path) == 4096
    assert limits.allowed_files(8, tmp_path) == limits.allowed_files(None)


def test_small_buffers_name_the_setting_of_the_kernel() -> None:
    wanted = NetSettings()
    assert bad(limits.buffers(wanted.receive_buffer, wanted.send_buffer, wanted)) == []
    small = [one for one in limits.buffers(212_992, 212_992, wanted) if one.grade is Grade.WARN]
    assert ["net.core.rmem_max=4194304" in small[0].mend, "net.core.wmem_max" in small[1].mend] == [
        True,
        True,
    ]
    assert min(limits.granted_buffers()) > 0


def test_ipv6_that_is_wanted_must_be_there() -> None:
    assert limits.ipv6(settings("udp:[::1]:5060"), binds=False).grade is Grade.FAIL
    assert limits.ipv6(settings("udp:[::1]:5060"), binds=True).grade is Grade.OK
