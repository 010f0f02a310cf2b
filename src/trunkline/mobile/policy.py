"""How many accounts, devices and calls there may be, and how long their passwords are kept."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from trunkline.mobile.domains import DomainList

DAY_S = 86_400.0


@dataclass(slots=True)
class MobilePolicy:
    """``listed`` says whose accounts may be brought. Times in seconds unless a name says otherwise.

    ``expires_s`` is what REGISTERs ask for; ``purge_days`` of silence wipe a password (0: never). ``max_devices`` and
    ``max_calls`` are for each owner, ``max_tenant_devices`` for each tenant. ``answer_s`` is how long a reply to a
    placed call waits for its answer, ``prove_s`` how long a registrar may take to vouch for an account.

    All who go by it share one, so that ``become`` changes it for everybody.
    """

    listed: DomainList = field(default_factory=DomainList)
    expires_s: int = 3600
    purge_days: float = 30.0
    max_devices: int = 10
    max_tenant_devices: int = 200_000
    max_calls: int = 10
    answer_s: float = 30.0
    prove_s: float = 8.0
    learns_address: bool = True

    @property
    def purge_s(self) -> float:
        return self.purge_days * DAY_S

    def become(self, other: MobilePolicy) -> None:
        """Hold from now on what ``other`` holds."""
        self.listed.become(other.listed)
        for one in fields(self):
            if one.name != "listed":
                setattr(self, one.name, getattr(other, one.name))
