"""Headers that name another dialog: Replaces and Target-Dialog."""

from __future__ import annotations

import pytest

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.dialog import dialog_key
from trunkline.proto.sip.dialog_names import DialogName, parse_replaces, parse_target_dialog, render_replaces


# The first two are the examples of RFC 3891 §6.1.
@pytest.mark.rfc("3891", "6.1")
@pytest.mark.parametrize(
    ("value", "name"),
    [
        (
            "98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff",
            ("98732@sip.example.com", "ff87ff", "r33th4x0r", False),
        ),
        (
            "12adf2f34456gs5;to-tag=12345;from-tag=54321;early-only",
            ("12adf2f34456gs5", "12345", "54321", True),
        ),
        ("87134@171.161.34.23;to-tag=24796;from-tag=0", ("87134@171.161.34.23", "24796", "0", False)),
        ("a@b ; TO-TAG=x ; from-tag=y ; other=1", ("a@b", "x", "y", False)),
    ],
)
def test_replaces(value: str, name: tuple[str, str, str, bool]) -> None:
    parsed = parse_replaces(value)
    assert parsed == DialogName(*name)
    assert parse_replaces(render_replaces(parsed)) == parsed
    assert parsed.key == dialog_key(name[0], name[1], name[2])
    assert parsed.across.across == parsed


@pytest.mark.rfc("4538", "7")
def test_target_dialog() -> None:
    name = parse_target_dialog("fa77as7dad8-sd98ajzz@host.example.com;local-tag=kkaz-;remote-tag=6544")
    assert name == DialogName("fa77as7dad8-sd98ajzz@host.example.com", "kkaz-", "6544")


@pytest.mark.parametrize(
    "value",
    [
        "",
        ";to-tag=a;from-tag=b",
        "a@b;to-tag=a",
        "a@b;to-tag;from-tag=b",
        "a@b;to-tag=;from-tag=b",
        "a b;to-tag=a;from-tag=b",
        "a@b@c;to-tag=a;from-tag=b",
        "a@b;to-tag=a;from-tag=b\nc@d;to-tag=a;from-tag=b",
        "a@b;to-tag=a;from-tag=b;;=",
    ],
)
@pytest.mark.rfc("3891", "6.1")
def test_malformed(value: str) -> None:
    for parse in (parse_replaces, parse_target_dialog):
        with pytest.raises(RemoteProtocolError) as caught:
            parse(value)
        assert caught.value.status == 400
