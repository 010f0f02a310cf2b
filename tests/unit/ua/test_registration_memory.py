"""Ten thousand registrations are kept in one process: each may cost so much memory, and no more."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from tests.link.carrier import PASSWORD, Carrier, Office, when
from tests.link.virtual_time import virtual

COUNT = 300
MOST_BYTES = 3500


@pytest.mark.rule("T-30")
@virtual
async def test_a_registration_at_rest_is_small() -> None:
    office = Office()
    office.start(per_s=1000.0)
    carrier = Carrier(office.network, password=PASSWORD)
    first = office.register(id="f" * 32)
    await office.until(first, "registered", 10)
    plans = [(office.plan(id=f"{n:032x}", address=f"sip:user{n}@domain.test"), None) for n in range(COUNT)]
    tracemalloc.start()
    try:
        before = tracemalloc.take_snapshot()
        office.registrations.add_all(list(plans))
        await when(lambda: all(one.word == "registered" for one in office.registrations), within_s=100)
        office.endpoint.layer.clients.clear()
        gc.collect()
        after = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    own = [
        tracemalloc.Filter(True, f"*/{part}")
        for part in (
            "registrations/*",
            "sip/digest_client.py",
            "base/wheel.py",
            "base/ids.py",
            "sip/auth_params.py",
        )
    ]
    grown = sum(
        row.size_diff for row in after.filter_traces(own).compare_to(before.filter_traces(own), "filename")
    )
    carrier.endpoint.close()
    assert 200 < grown / COUNT < MOST_BYTES, f"{grown / COUNT:.0f} bytes each"
