"""Ask where a call would go: the exchange's own decision, without an exchange.

    .venv/bin/python examples/decide.py

``decide`` looks at a request and a snapshot and at nothing else. The exchange calls it for each INVITE, and
``trunkline explain NUMBER --from EXT`` calls it for a dry run; here we give it a snapshot made by hand.
"""

from __future__ import annotations

from trunkline.base.ids import uuid7
from trunkline.base.story import Story
from trunkline.model.extension import Extension
from trunkline.model.tenant import Tenant
from trunkline.pbx.directory import Directory
from trunkline.pbx.route import CallRequest, Snapshot, decide

TENANT = uuid7()
REGISTERED = {"1002": 2}  # how many phones each extension has registered; all others have none


def make_snapshot() -> Snapshot:
    """One tenant with a desk phone, a phone that is switched off, and a door phone with a fixed address."""
    directory = Directory([Tenant(TENANT, "default", ("example.com",))], fallback_domain="example.com")
    for number, name, contact in (
        ("1001", "Anna", None),
        ("1002", "Bert", None),
        ("3001", "Door", "sip:door@192.0.2.10"),
    ):
        directory.put(Extension(TENANT, uuid7(), number, name, "a-long-password", contact))
    return Snapshot(directory, lambda _tenant, number: REGISTERED.get(number, 0))


def main() -> None:
    """Dial some numbers as extension 1001 and print each story."""
    snapshot = make_snapshot()
    for dialled in ("1002", "10-02", "1001", "3001", "9196", "4711"):
        decision = decide(CallRequest(TENANT, "1001", dialled), snapshot)
        story = Story(0.0)
        story.extend(decision.steps)
        outcome = f"refused with {decision.status}" if decision.status else "goes ahead"
        print(f"1001 dials {dialled}: {outcome}")
        print("\n".join(story.lines()), end="\n\n")


if __name__ == "__main__":
    main()
