"""The fence of a running exchange: whom it knows already, what a ban shuts, what the log says."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from trunkline.app.fence_log import FenceLog, log_registration
from trunkline.app.reaching import source_of_uri
from trunkline.model.binding import Binding
from trunkline.net.fence import Ban, Fence, FencePolicy
from trunkline.net.listener import split_host_port
from trunkline.pbx.directory import Directory


class Fencing:
    """``shut`` closes the connections from a source; ``clock`` gives the fence's seconds."""

    def __init__(
        self,
        policy: FencePolicy,
        directory: Directory,
        shut: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self.fence = Fence(policy, self._banned)
        self.fence.is_called = self._is_called
        self.log = FenceLog(clock, log_registration)
        self._directory = directory
        self._shut = shut
        self._clock = clock
        self.is_trunk: Callable[[str], bool] = lambda _source: False

    def let_in(self, known: Iterable[Binding]) -> None:
        """Who was registered has proven itself: no ban at its address is to meet it after a restart."""
        for binding in known:
            realm = self._directory.realm_of(binding.tenant)
            with contextlib.suppress(ValueError):
                host, port = split_host_port(binding.received)
                self.fence.proved((host, port or 0), realm, binding.user, self._clock())

    def _is_called(self, source: str) -> bool:
        """Whether an extension has a fixed contact at that address, or a trunk is there."""
        if self.is_trunk(source):
            return True
        for tenant in self._directory.tenants:
            for entry in tenant.extensions.values():
                if entry.contact is not None and source_of_uri(entry.contact) == source:
                    return True
        return False

    def _banned(self, ban: Ban) -> None:
        self.log.banned(ban)
        self._shut(ban.source)
