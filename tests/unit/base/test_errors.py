"""Errors say what their catchers need."""

from __future__ import annotations

import pytest

from trunkline.base.errors import (
    CallFailed,
    ConfigError,
    LocalProtocolError,
    MediaError,
    RemoteProtocolError,
    TransportError,
    TrunklineError,
)


@pytest.mark.parametrize(
    "error",
    [
        LocalProtocolError("x"),
        RemoteProtocolError("x"),
        TransportError("x"),
        CallFailed(486, "Busy Here"),
        MediaError("x"),
        ConfigError("trunkline.toml", "sip.listen", "5", "a list"),
    ],
)
def test_every_error_has_one_root(error: Exception) -> None:
    assert isinstance(error, TrunklineError)


def test_an_error_of_the_peer_says_what_to_answer() -> None:
    assert RemoteProtocolError("no empty line").status == 400
    error = RemoteProtocolError("other version", 505)
    assert (error.status, error.reason, str(error)) == (505, "other version", "other version")


def test_a_failed_call_carries_status_cause_and_code() -> None:
    error = CallFailed(486, "Busy Here", 17, "callee.busy")
    assert (error.status, error.reason, error.q850, error.code) == (486, "Busy Here", 17, "callee.busy")
    assert str(error) == "486 Busy Here"


def test_a_wrong_setting_names_file_key_value_and_what_is_expected() -> None:
    error = ConfigError("trunkline.toml", "sip.listen", '"x"', "a list", "did you mean sip.listen = []")
    assert str(error) == (
        'trunkline.toml: sip.listen: saw "x", expected a list (did you mean sip.listen = [])'
    )
