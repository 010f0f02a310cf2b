"""What a check finds about trunks and peers: their servers, secrets, numbers and addresses."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from trunkline.app.addresses import HostAddresses
from trunkline.app.check import trunks as area
from trunkline.app.check.domain import NoAnswer, Target
from trunkline.app.check.finding import Case, Finding, Grade
from trunkline.app.check.known import Known, known_of
from trunkline.app.secret_values import secret_of
from trunkline.app.settings.file import load_settings
from trunkline.app.settings.trunk import Trunk
from trunkline.model.binding import Binding
from trunkline.model.extension import NewExtension
from trunkline.model.tenant import SystemScope, TenantScope
from trunkline.store.store import Store

SYSTEM = SystemScope("tests")
KNOWN = Known("t", {"a.example": "t"}, {"t": frozenset({"1001", "301"})})


def trunk(**given: object) -> Trunk:
    return Trunk.model_validate({"name": "carrier", "host": "sip.carrier.example", **given})


def bad(findings: Iterable[Finding]) -> list[tuple[Grade, str]]:
    """What is not well; each of these must say what to do."""
    found = [finding for finding in findings if finding.grade is not Grade.OK]
    assert all(finding.mend for finding in found)
    return [(finding.grade, finding.what) for finding in found]


def case(folder: Path, text: str) -> Case:
    (folder / "t.toml").write_text(text)
    loaded = load_settings(folder / "t.toml", folder, host=HostAddresses("192.0.2.7"), env={})
    return Case(loaded, loaded.data)


# Servers


def nothing(_record: str) -> list[Target]:
    return []


def test_a_host_without_an_address_fails() -> None:
    assert bad(area.server(trunk(), lambda _name: {"192.0.2.1"}, nothing)) == []
    ((grade, what),) = bad(area.server(trunk(), lambda _name: set(), nothing))
    assert (grade, what) == (Grade.FAIL, "trunk carrier: sip.carrier.example has no address in DNS")
    assert bad(area.server(trunk(host="192.0.2.1:5080"), lambda _name: set(), nothing)) == []


def test_servers_are_those_of_the_records_of_its_transport() -> None:
    records = {"_sip._tcp.sip.carrier.example": [("edge.carrier.example", 5060)]}
    found = area.server(
        trunk(transport="tcp"), {"edge.carrier.example": {"192.0.2.2"}}.__getitem__, records.__getitem__
    )
    assert [one.what for one in found] == ["trunk carrier: edge.carrier.example leads to 192.0.2.2"]


def test_a_host_with_a_port_has_no_records() -> None:
    def never(_record: str) -> list[Target]:
        raise AssertionError("RFC 3263 §4.2: a port means that no SRV record is asked for")

    assert bad(area.server(trunk(host="sip.carrier.example:5080"), lambda _name: {"192.0.2.1"}, never)) == []


def test_silent_name_servers_are_told() -> None:
    def silent(_record: str) -> list[Target]:
        raise NoAnswer("the name servers do not answer (Timeout)")

    ((grade, what),) = bad(area.server(trunk(), lambda _name: set(), silent))
    assert (grade, "do not answer" in what) == (Grade.WARN, True)


# Secrets


def test_a_password_file_is_there_with_a_password_and_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "carrier.password"
    one = trunk(username="a", registers=True, password_file=str(file))
    ((grade, what),) = bad(area.password(one, "trunks[0]"))
    assert (grade, "trunks[0].password_file" in what) == (Grade.FAIL, True)
    file.write_text("\n")
    ((grade, what),) = bad(area.password(one, "trunks[0]"))
    assert (grade, "its first line is empty" in what) == (Grade.FAIL, True)
    file.write_text("hunter2\n")
    file.chmod(0o644)
    ((grade, what),) = bad(area.password(one, "trunks[0]"))
    assert (grade, what) == (Grade.WARN, f"{file} is open to other users")
    file.chmod(0o600)
    assert bad(area.password(one, "trunks[0]")) == []


def test_a_password_variable_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    one = trunk(username="a", registers=True, password_env="CARRIER_PASSWORD")
    monkeypatch.delenv("CARRIER_PASSWORD", raising=False)
    ((grade, what),) = bad(area.password(one, "trunks[0]"))
    assert (grade, "trunks[0].password_env: CARRIER_PASSWORD: it is not set" in what) == (Grade.FAIL, True)
    monkeypatch.setenv("CARRIER_PASSWORD", "")
    ((grade, what),) = bad(area.password(one, "trunks[0]"))
    assert (grade, "it is empty" in what) == (Grade.FAIL, True)
    monkeypatch.setenv("CARRIER_PASSWORD", "hunter2")
    assert bad(area.password(one, "trunks[0]")) == []
    assert secret_of(one, "trunks[0]") == "hunter2"


def test_to_register_without_a_password_is_hardly_meant() -> None:
    ((grade, what),) = bad(area.password(trunk(username="a", registers=True), "trunks[0]"))
    assert (grade, what) == (Grade.WARN, "trunk carrier registers without a password")


def test_settings_with_a_password_are_for_their_owner_alone(tmp_path: Path) -> None:
    text = '[[trunks]]\nname = "c"\nhost = "192.0.2.1"\nusername = "a"\npassword = "hunter2"\n'
    (tmp_path / "t.toml").touch(0o644)
    ((grade, what),) = bad(area.trunks(case(tmp_path, text)))
    assert (grade, what) == (Grade.WARN, f"{tmp_path}/t.toml is open to other users")
    (tmp_path / "t.toml").chmod(0o600)
    assert bad(area.trunks(case(tmp_path, text))) == []


# Numbers


@pytest.mark.parametrize(
    ("prefixes", "said"),
    [
        (["0", "+"], ""),
        ([""], ""),
        (["30"], "301 begins with its prefix 30 and is an extension of ours"),
        (["919"], "9195 (and 3 more) begins with its prefix 919 and is a service"),
        (["*0"], "no number begins with *0"),
        (["0+"], "no number begins with 0+"),
    ],
)
def test_prefixes_against_numbers_of_ours(prefixes: list[str], said: str) -> None:
    found = bad(area.numbers(trunk(prefixes=prefixes), KNOWN))
    assert found == ([(Grade.WARN, f"trunk carrier: {said}")] if said else [])


def test_an_inbound_that_is_no_extension_is_told() -> None:
    assert bad(area.numbers(trunk(inbound="1001"), KNOWN)) == []
    ((_, what),) = bad(area.numbers(trunk(inbound="1002"), KNOWN))
    assert what == "trunk carrier: inbound is 1002, which is no extension"
    assert bad(area.numbers(trunk(inbound="1002"), Known())) == []


def test_a_prefix_of_two_trunks_goes_to_the_first() -> None:
    one, two = trunk(prefixes=["0", "1"]), trunk(name="spare", prefixes=["0"])
    ((_, what),) = bad(area.taken([one, two]))
    assert what == "trunk spare: the prefix 0 goes to trunk carrier, which stands before it"
    assert bad(area.taken([one, trunk(name="spare", prefixes=["0"], domain="b.example")])) == []


# Addresses

PEER = '[[peers]]\nname = "office"\naddresses = "{}"\n'


def test_networks_that_hold_nearly_everybody_fail(tmp_path: Path) -> None:
    ((grade, what),) = bad(area.trunks(case(tmp_path, PEER.format("0.0.0.0/0"))))
    assert (grade, what) == (Grade.FAIL, "peer office: 0.0.0.0/0 is nearly everybody")


def test_the_network_of_this_host_has_phones_too(tmp_path: Path) -> None:
    ((grade, what),) = bad(area.trunks(case(tmp_path, PEER.format("192.0.2.0/24"))))
    assert (grade, what.partition(",")[0]) == (
        Grade.WARN,
        "peer office: 192.0.2.0/24 is the network of this host",
    )


def test_addresses_of_two_are_told(tmp_path: Path) -> None:
    text = (
        PEER.format("198.51.100.0/24")
        + '[[trunks]]\nname = "c"\nhost = "192.0.2.1"\naccept_from = "198.51.100.9"\n'
    )
    ((_, what),) = bad(area.trunks(case(tmp_path, text)))
    assert what == "trunk c: 198.51.100.9/32 overlaps with 198.51.100.0/24 of peer office"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with extension 1001, whose phone is at 198.51.100.7."""
    with Store.open(tmp_path) as store:
        (tenant,) = store.tenants.list(SYSTEM)
        store.extensions.add(TenantScope(tenant.id), NewExtension("1001", password="a b c d e"))
        now = time.time()
        binding = Binding(
            tenant.id, "1001", "b", "sip:1001@10.0.0.1", "f", "198.51.100.7:5060", "c", 1, now, now + 60
        )
        store.bindings.upsert_many(TenantScope(tenant.id), [binding])
    return tmp_path


def test_a_phone_at_a_peers_address_is_told(folder: Path) -> None:
    ((_, what),) = bad(area.trunks(case(folder, PEER.format("198.51.100.0/24"))))
    assert what == "peer office: 1001 is registered from 198.51.100.0/24"


def test_a_domain_that_is_nobodys_fails(folder: Path) -> None:
    text = 'domain = "a.example"\n' + PEER.format("203.0.113.1") + 'domain = "b.example"\n'
    ((grade, what),) = bad(area.trunks(case(folder, text)))
    assert (grade, what) == (Grade.FAIL, "peer office: b.example is no domain of a tenant")
    assert bad(area.trunks(case(folder, text.replace("b.example", "A.example")))) == []


def test_without_a_store_nothing_is_known(tmp_path: Path) -> None:
    assert known_of(tmp_path, "a.example") == Known()
    (tmp_path / "trunkline.db").write_text("no database")
    assert known_of(tmp_path, "a.example") == Known()


def test_settings_without_trunks_have_nothing_to_say(tmp_path: Path) -> None:
    assert list(area.trunks(case(tmp_path, ""))) == []
