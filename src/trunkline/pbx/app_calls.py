"""Calls that an app of one of our extensions places: decided like any other call of that extension."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.base.story import Story
from trunkline.call.call import Script
from trunkline.call.party import Party
from trunkline.pbx import scripts
from trunkline.pbx.directory import Directory
from trunkline.pbx.door import printable
from trunkline.pbx.route import CallRequest, Decision, Snapshot, decide


class AppCallPlacing:
    """``script_of(decision, tenant)`` is what a door does of a decision; ``now`` gives the loop's seconds."""

    def __init__(
        self,
        directory: Directory,
        snapshot: Snapshot,
        script_of: Callable[[Decision, str], Script],
        now: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._snapshot = snapshot
        self._script_of = script_of
        self._now = now

    def __call__(
        self, tenant: str, user: str, dialled: str, story: Story
    ) -> tuple[Party, Script, tuple[str, ...]]:
        """Who calls, what is done, and among whose calls it counts; ``story`` takes the steps of the decision."""
        decision = decide(CallRequest(tenant, user, printable(dialled), self._now()), self._snapshot)
        story.extend(decision.steps)
        caller = self._directory.extension(tenant, user)
        party = Party(user, self._directory.domain_of(tenant), caller.name if caller is not None else "")
        script = self._script_of(decision, tenant)
        if decision.pickup:
            # An app takes a call that rings elsewhere by its own device, not by a feature code.
            script = scripts.refuse(488, "pickup.by_an_app")
        callee = decision.extension
        return party, script, (user,) if callee is None else (user, callee.number)
