"""A policy that all share becomes another one while it is in use."""

from __future__ import annotations

import pytest

from trunkline.base.errors import TransportError
from trunkline.mobile.domains import DomainList, GuardedLocator
from trunkline.mobile.policy import MobilePolicy
from trunkline.net.dns import Hop
from trunkline.proto.sip.uri import SipUri, parse_uri


class Inside:
    """Leads every name to an address that is not public."""

    async def locate(self, _uri: SipUri) -> list[Hop]:
        return [Hop("UDP", "10.0.0.9", 5060, "a.example")]


def test_what_was_handed_out_holds_the_new_values() -> None:
    policy = MobilePolicy(DomainList.of(["a.example"]), max_devices=3)
    shared = policy.listed
    policy.become(MobilePolicy(DomainList.of(["b.example"]), max_devices=5, purge_days=1))
    assert (policy.max_devices, policy.purge_s) == (5, 86_400.0)
    assert policy.listed is shared
    assert (shared.takes("t", "a.example"), shared.takes("t", "b.example")) == (False, True)


async def test_a_locator_goes_by_the_new_list() -> None:
    listed = DomainList.of(["a.example"])
    locator = GuardedLocator(Inside(), listed)
    uri = parse_uri("sip:a.example")
    assert await locator.locate(uri)
    listed.become(DomainList.of(["b.example"]))
    with pytest.raises(TransportError, match="leads to no address"):
        await locator.locate(uri)
