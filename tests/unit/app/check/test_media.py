"""What the check says of keys, browsers and the path in the kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.app.check.test_areas import bad, case
from trunkline.app.check.finding import Grade
from trunkline.app.check.media import kernel_path, keys
from trunkline.app.settings import Settings

SECURE = '[sip]\nlisten = ["tls:192.0.2.7:5061"]\n'
REQUIRED = '[media]\nencryption = "required"\n'


def settings(folder: Path, text: str) -> Settings:
    return case(folder, text).loaded.settings


def test_keys_that_go_by_udp_are_no_secret(tmp_path: Path) -> None:
    ((grade, what),) = bad(keys(settings(tmp_path, '[sip]\nlisten = ["udp:192.0.2.7:5060"]\n' + REQUIRED)))
    assert grade is Grade.WARN
    assert "phones on udp" in what
    assert not list(keys(settings(tmp_path, SECURE + REQUIRED)))


@pytest.mark.parametrize(("transport", "warnings"), [("udp", 1), ("tcp", 1), ("tls", 0), ("auto", 0)])
def test_keys_of_a_trunk_are_no_secret_either(tmp_path: Path, transport: str, warnings: int) -> None:
    trunk = (
        f'[[trunks]]\nname = "a"\nhost = "192.0.2.9"\ntransport = "{transport}"\nencryption = "preferred"\n'
    )
    assert len(bad(keys(settings(tmp_path, SECURE + trunk)))) == warnings


def test_browsers_need_dtls(tmp_path: Path) -> None:
    listen = '[sip]\nlisten = ["wss:192.0.2.7:5067"]\n'
    ((_, what),) = bad(keys(settings(tmp_path, listen + '[media]\nbrowsers = "plain"\n')))
    assert "browsers" in what
    assert not list(keys(settings(tmp_path, listen)))


def test_why_no_call_passes_in_the_kernel(tmp_path: Path) -> None:
    auto, off = settings(tmp_path, ""), settings(tmp_path, '[media]\nkernel = "off"\n')
    program = tmp_path / "relay.bpf.o"
    ((_, what),) = bad(kernel_path(auto, "", program))
    assert "not compiled" in what
    ((_, what),) = bad(kernel_path(auto, "off: needs the capabilities CAP_BPF and CAP_NET_ADMIN", program))
    assert "CAP_BPF" in what
    assert not bad(kernel_path(auto, "on: eth0", program))
    assert not list(kernel_path(off, "off: not wanted", program))
    program.touch()
    assert not list(kernel_path(auto, "", program))


def test_an_interface_that_is_not_there(tmp_path: Path) -> None:
    named = settings(tmp_path, '[media]\nkernel_interfaces = ["lo", "eth77"]\n')
    ((_, what),) = bad(kernel_path(named, "on: lo"))
    assert what.endswith("there is no eth77")
