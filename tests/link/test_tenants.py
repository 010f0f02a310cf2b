"""Two tenants on one exchange, each with an extension 1001 and an extension 1002."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.link.phones import Party, describe
from tests.link.stage import DOMAIN, HOST, PASSWORD, Stage
from tests.link.virtual_time import virtual
from trunkline.call.target import Target
from trunkline.model.extension import Extension
from trunkline.model.tenant import Tenant
from trunkline.pbx.directory import Entry
from trunkline.proto.sip.digest_client import Account

OTHER = "other.test"


class TwoTenants(Stage):
    """The stage's own tenant, and another one with the same numbers."""

    def __init__(self, **rest: Any) -> None:
        super().__init__(**rest)
        self.reached: dict[tuple[str, str], list[Target]] = {}
        self.directory.put_tenant(self.directory.entry_of(Tenant("t2", "Other", (OTHER,))))

    def phone(self, tenant: str, number: str, password: str = PASSWORD) -> Party:
        host = f"10.0.{tenant[-1]}.{len(self.parties) + 1}"
        party = Party(self.network, host, account=Account(number, password))
        party.body = describe(host)
        self.parties.append(party)
        self.directory.put(Extension(tenant, number, number, f"{number} of {tenant}", password))
        self.reached[tenant, number] = self.contacts[number] = [Target(f"sip:{number}@{host}", label=host)]
        return party

    def _targets(self, tenant: str, entry: Entry) -> list[Target]:
        return self.reached[tenant, entry.number]

    def call(self, party: Party, number: str, domain: str) -> None:
        party.session = party.endpoint.invite(
            f"sip:{number}@{domain}",
            party.node.flow_to("UDP", HOST, 5060),
            party,
            from_=f"<sip:alice@{domain}>",
            to=f"<sip:{number}@{domain}>",
            body=party.body,
            authorizer=party.authorizer(),
        )


@pytest.mark.rfc("3261", "22.1")
@virtual
async def test_equal_numbers_of_two_tenants_call_inside_their_own_tenant() -> None:
    stage = TwoTenants()
    alice, bob = stage.phone("t1", "1001"), stage.phone("t1", "1002")
    other_alice, other_bob = stage.phone("t2", "1001", "another secret"), stage.phone("t2", "1002", "third")
    stage.call(alice, "1002", DOMAIN)
    stage.call(other_alice, "1002", OTHER)
    for caller, callee in ((alice, bob), (other_alice, other_bob)):
        await callee.until("acknowledged")
        await caller.until("answered")
    assert [len(party.invites) for party in (bob, other_bob)] == [1, 1]
    assert {call.tenant for call in stage.calls.all} == {"t1", "t2"}
    for caller in (alice, other_alice):
        caller.dialogue.hang_up()
    await stage.settle()
    assert sorted(record.tenant for record in stage.over) == ["t1", "t2"]


@pytest.mark.rfc("3261", "22.1")
@virtual
async def test_each_tenant_challenges_in_its_own_realm_and_takes_its_own_passwords() -> None:
    stage = TwoTenants()
    alice, bob = stage.phone("t1", "1001"), stage.phone("t1", "1002")
    stage.phone("t2", "1001", "another secret")
    other_bob = stage.phone("t2", "1002")
    stage.call(alice, "1002", OTHER)  # who has the password of her own tenant alone
    await alice.until("failed 401")
    challenges = stage.sent(HOST, "SIP/2.0 401", alice.host)
    assert all(f'realm="{OTHER}"'.encode() in challenge for challenge in challenges)
    stage.call(alice, "1002", DOMAIN)
    await alice.until("answered")
    assert f'realm="{DOMAIN}"'.encode() in stage.sent(HOST, "SIP/2.0 401", alice.host)[-1]
    assert not other_bob.invites
    assert len(bob.invites) == 1
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_among_several_tenants_a_domain_that_nobody_owns_is_not_found() -> None:
    stage = TwoTenants()
    alice = stage.phone("t1", "1001")
    stage.call(alice, "1001", "third.test")
    await alice.until("failed 404")
    await asyncio.sleep(1)
    assert not stage.calls.all
    await stage.settle()


@virtual
async def test_a_tenant_that_gets_a_new_realm_keeps_its_phones() -> None:
    stage = TwoTenants()
    alice, bob = stage.phone("t1", "1001"), stage.phone("t1", "1002")
    extensions = [Extension("t1", number, number, number, PASSWORD) for number in ("1001", "1002")]
    entry = stage.directory.entry_of(Tenant("t1", "Test", ("new.test", DOMAIN)), extensions)
    stage.directory.put_tenant(entry)
    stage.call(alice, "1002", DOMAIN)
    await bob.until("acknowledged")
    assert b'realm="new.test"' in stage.sent(HOST, "SIP/2.0 401", alice.host)[-1]
    alice.dialogue.hang_up()
    await stage.settle()
