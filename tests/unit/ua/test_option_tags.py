"""What peers require and support."""

from __future__ import annotations

import pytest

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.message import Request
from trunkline.ua.option_tags import supports, unsupported

KNOWN = frozenset({"path", "timer"})


def request(**headers: str) -> Request:
    return Request("REGISTER", "sip:a.test", headers)


@pytest.mark.rfc("3261", "8.2.2.3")
@pytest.mark.parametrize(
    ("required", "refused"),
    [("path", ""), ("PATH, timer", ""), ("gruu", "gruu"), ("path, gruu\nfoo", "gruu, foo"), ("", "")],
)
def test_what_is_not_supported_is_named(required: str, refused: str) -> None:
    assert unsupported(request(Require=required), KNOWN) == refused


def test_nothing_required_is_nothing_refused() -> None:
    assert unsupported(request(), frozenset()) == ""


@pytest.mark.parametrize("required", ["a b", '"x"', "a\x00", "<x"])
def test_what_is_no_tag_is_the_peers_fault(required: str) -> None:
    with pytest.raises(RemoteProtocolError):
        unsupported(request(Require=required), KNOWN)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Supported": "path"}, True),
        ({"Supported": "timer, PATH"}, True),
        ({"Require": "path"}, True),
        ({"Supported": "paths"}, False),
        ({}, False),
    ],
)
def test_a_peer_supports_what_it_says_or_requires(headers: dict[str, str], expected: bool) -> None:
    assert supports(request(**headers), "path") is expected
