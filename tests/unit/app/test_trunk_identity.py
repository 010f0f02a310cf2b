"""What a trunk of the settings is believed and told of callers."""

from __future__ import annotations

from typing import Any

import pytest

from trunkline.app.settings.file import parse_settings
from trunkline.app.trunk_lines import plan_of
from trunkline.base.errors import ConfigError
from trunkline.call.identity import History, IdentityPolicy, Source
from trunkline.call.verification import Mode
from trunkline.model.tenant import Tenant
from trunkline.pbx.directory import Directory
from trunkline.trunking.plan import TrunkPlan

DIRECTORY = Directory([Tenant("t1", "Test", ("pbx.test",))], "pbx.test")


def plan(**trunk: Any) -> TrunkPlan:
    settings = parse_settings({"trunks": [{"name": "out", "host": "carrier.test", **trunk}]}, "f.toml")[0]
    return plan_of(settings.trunks[0], "trunks[0]", DIRECTORY, learns=True)


def test_a_trunk_is_a_stranger_whose_calls_are_looked_at_and_to_whom_calls_are_signed() -> None:
    made = plan()
    assert made.policy == IdentityPolicy()
    assert (made.policy.trusted, made.policy.sign, made.verify) == (False, True, Mode.MARK)


@pytest.mark.rule("T-34")
@pytest.mark.rule("T-35")
def test_each_trunk_says_whom_it_believes_and_what_it_is_told() -> None:
    made = plan(
        trusted=True,
        identity=["rpid", "from"],
        history=["history-info", "diversion"],
        sign=False,
        verify="require",
        from_domain="we.test",
    )
    assert made.policy == IdentityPolicy(
        trusted=True,
        identity=(Source.RPID, Source.FROM),
        history=(History.HISTORY_INFO, History.DIVERSION),
        sign=False,
        domain="we.test",
    )
    assert made.verify is Mode.REQUIRE


def test_no_history_at_all_is_a_choice_and_no_identity_is_none() -> None:
    assert plan(history=[]).policy.history == ()
    with pytest.raises(ConfigError, match="one of pai, rpid and from at least"):
        plan(identity=[])
