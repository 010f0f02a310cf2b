"""The instances together: which of them serves a new call, and which one serves a call already."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from trunkline.base.errors import MediaError
from trunkline.media.ng.instance import Instance
from trunkline.media.ng.plan import ClusterPlan, InstanceState


class Cluster:
    """A call stays with its instance. ``changed`` is told when an instance comes up or goes down."""

    def __init__(self, plan: ClusterPlan, changed: Callable[[Instance], None]) -> None:
        self.prefix = f"trunkline-{plan.mark}-" if plan.mark else "trunkline-"
        self.instances = [Instance(one, plan, changed) for one in plan.instances]

    async def start(self) -> None:
        """Look at every instance once; none need be up."""
        await asyncio.gather(*(one.start() for one in self.instances))

    async def stop(self) -> None:
        """Look no more."""
        await asyncio.gather(*(one.stop() for one in self.instances))

    def call_id(self, owner: str) -> str:
        """How an owner's call is named at instances; after a restart it is found by that."""
        return self.prefix + owner

    def named(self, name: str) -> Instance | None:
        """The instance of this name, as the settings have it."""
        return next((one for one in self.instances if one.name == name), None)

    def choose(self, without: frozenset[str] = frozenset()) -> Instance:
        """The healthy instance with the fewest sessions for its weight; those named in ``without`` failed just now.

        Raises MediaError ``media.no_engine`` when there is none.
        """
        healthy = [one for one in self.instances if one.takes_calls and one.name not in without]
        if not healthy:
            names = ", ".join(f"{one.name} (drained)" if one.draining else one.name for one in self.instances)
            raise MediaError(f"no rtpengine is up: {names}", "media.no_engine")
        return min(healthy, key=_burden)

    def states(self) -> list[InstanceState]:
        """How each instance is, in the order of the settings."""
        return [one.status() for one in self.instances]


def _burden(one: Instance) -> float:
    """Its sessions with the one to come, for its weight. What it told may be old, what we count is ours alone."""
    return (max(one.sessions, one.sessions_all or 0) + 1) / one.weight
