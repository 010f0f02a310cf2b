"""The o= line that we send on one side of a dialog."""

from __future__ import annotations

import json

import pytest

from tests.unit.proto.sdp.samples import SAMPLES
from trunkline.base.errors import LocalProtocolError
from trunkline.media.offer_answer import LocalPort, SdpIdentity, rewrite
from trunkline.proto.sdp import Origin, parse_session

OURS = [LocalPort("203.0.113.5", 20000)]


def origin_of(sdp: str) -> Origin | None:
    return parse_session(sdp).origin


@pytest.mark.rule("T-16")
@pytest.mark.rfc("4028", "7.4")
def test_a_refresh_carries_the_very_same_body() -> None:
    identity = SdpIdentity(77, "203.0.113.5")
    first = rewrite(SAMPLES["yealink"], OURS, identity)
    # The phone raises its own version in a refresh; nothing that we send changes by that.
    again = rewrite(SAMPLES["yealink"].replace("20017 20017", "20017 20018"), OURS, identity)
    assert again == first == identity.body
    assert origin_of(first) == Origin("-", 77, 1, "203.0.113.5")


@pytest.mark.rule("T-20")
@pytest.mark.rfc("3264", "8")
def test_the_version_goes_up_by_exactly_one_with_each_change() -> None:
    identity = SdpIdentity(77, "203.0.113.5")
    held = SAMPLES["yealink"].replace("sendrecv", "sendonly")
    bodies = [rewrite(sdp, OURS, identity) for sdp in (SAMPLES["yealink"], held, held, SAMPLES["yealink"])]
    assert [origin.version for body in bodies if (origin := origin_of(body))] == [1, 2, 2, 3]


@pytest.mark.rule("T-20")
@pytest.mark.rfc("3264", "8")
def test_a_refused_change_leaves_what_was_agreed_under_a_version_that_was_never_used() -> None:
    identity = SdpIdentity(77, "203.0.113.5")
    agreed = rewrite(SAMPLES["yealink"], OURS, identity)
    rewrite(SAMPLES["t38"], OURS, identity)
    identity.take_back()
    assert identity.body == agreed.replace("o=- 77 1 ", "o=- 77 3 ")
    assert rewrite(SAMPLES["yealink"], OURS, identity) == identity.body


@pytest.mark.rule("T-16")
@pytest.mark.rfc("4028", "7.4")
def test_a_refused_refresh_takes_nothing_back() -> None:
    identity = SdpIdentity(77, "203.0.113.5")
    identity.take_back()
    assert (identity.version, identity.body) == (0, "")
    rewrite(SAMPLES["yealink"], OURS, identity)
    told = rewrite(SAMPLES["t38"], OURS, identity)
    assert rewrite(SAMPLES["t38"], OURS, identity) == told
    identity.take_back()
    identity.take_back()
    assert identity.body == told


@pytest.mark.rule("T-21")
def test_a_peer_that_only_moves_does_not_change_what_we_send() -> None:
    identity = SdpIdentity(77, "203.0.113.5")
    first = rewrite(SAMPLES["yealink"], OURS, identity)
    assert rewrite(SAMPLES["yealink"].replace("192.0.2.30", "192.0.2.99"), OURS, identity) == first


def test_the_sides_of_a_call_count_for_themselves() -> None:
    caller, callee = SdpIdentity(1, "203.0.113.5"), SdpIdentity(2, "2001:db8::5")
    rewrite(SAMPLES["yealink"], OURS, caller)
    assert "o=- 2 1 IN IP6 2001:db8::5\r\n" in rewrite(SAMPLES["t38"], OURS, callee)
    assert caller.version == 1


def test_a_snapshot_survives_json_and_carries_on() -> None:
    identity = SdpIdentity(2**63 - 1, "203.0.113.5")
    first = rewrite(SAMPLES["yealink"], OURS, identity)
    restored = SdpIdentity.restore(json.loads(json.dumps(identity.snapshot())))
    assert restored.body == first
    assert rewrite(SAMPLES["yealink"], OURS, restored) == first
    changed = rewrite(SAMPLES["yealink"], [LocalPort("203.0.113.5", 20002)], restored)
    assert origin_of(changed) == Origin("-", 2**63 - 1, 2, "203.0.113.5")


@pytest.mark.parametrize("key", ["session_id", "address", "version", "after"])
def test_a_damaged_snapshot_is_refused(key: str) -> None:
    data = SdpIdentity(1, "203.0.113.5").snapshot()
    del data[key]
    with pytest.raises(LocalProtocolError, match=key):
        SdpIdentity.restore(data)


@pytest.mark.parametrize("session_id", [-1, 2**63])
def test_a_session_id_fits_sixty_three_bits(session_id: int) -> None:
    with pytest.raises(LocalProtocolError, match="expected 0"):
        SdpIdentity(session_id, "203.0.113.5")


def test_a_printed_identity_shows_no_keys() -> None:
    identity = SdpIdentity(77, "203.0.113.5")
    rewrite(SAMPLES["srtp"], OURS, identity)
    assert repr(identity) == "SdpIdentity(77, version 1)"
