"""Where a branch of a fork goes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING

from trunkline.media.leg_security import Encryption
from trunkline.net.dns import Hop
from trunkline.net.flow import Flow
from trunkline.proto.sip.identity.diversion import Diversion
from trunkline.ua.challenges import Authorizer

if TYPE_CHECKING:
    from trunkline.call.app_leg import AppSide
    from trunkline.call.identity import IdentityPolicy


class Target:
    """One contact to try.

    ``uri`` becomes the Request-URI; ``flow`` is the way to it when it registered over one, else None and
    the servers of ``next_hop`` are looked up: by default the first of ``route``, which holds finished Route
    lines, else ``uri`` itself. ``label`` says in stories whom it means;
    ``profile`` names the SDP profile towards it, ``encryption`` what its media is offered (None: as the way to it asks
    for); ``ring_timeout_s`` overrides that of the fork.
    ``sticky`` is the server to try first while it is one of them; ``authorizer()`` answers the challenges of one
    request; ``caller`` and ``callee`` are the name-addrs of From and To where they are not the call's own.
    ``needs_offer`` tells that it takes no INVITE without an offer: we make one when the caller has not.
    ``identity`` says what a peer, which is no phone of ours, is told of the caller; ``diverted_by`` who sent the call
    there, the first one first.
    Without ``may_refresh`` it gets no session refresh from us (RFC 4028). With ``app`` it is a mobile app's device,
    handed the call without an INVITE: ``uri`` and all that is SIP about it mean nothing then.
    """

    __slots__ = (
        "app",
        "authorizer",
        "callee",
        "caller",
        "diverted_by",
        "encryption",
        "flow",
        "identity",
        "label",
        "like",
        "may_refresh",
        "needs_offer",
        "next_hop",
        "others",
        "profile",
        "ring_timeout_s",
        "route",
        "sticky",
        "uri",
    )

    def __init__(
        self,
        uri: str = "",
        flow: Flow | None = None,
        *,
        app: AppSide | None = None,
        label: str = "",
        route: str = "",
        profile: str = "transparent",
        encryption: Encryption | None = None,
        ring_timeout_s: float | None = None,
        next_hop: str = "",
        needs_offer: bool = False,
        may_refresh: bool = True,
        sticky: Hop | None = None,
        authorizer: Callable[[], Authorizer] | None = None,
        caller: str = "",
        callee: str = "",
        identity: IdentityPolicy | None = None,
        diverted_by: tuple[Diversion, ...] = (),
    ) -> None:
        self.uri = uri
        self.flow = flow
        self.app = app
        self.label = label or (uri if app is None else app.label)
        self.route = route
        self.profile = profile
        self.encryption = encryption
        self.ring_timeout_s = ring_timeout_s
        self.next_hop = next_hop
        self.others: tuple[Target, ...] = ()
        """Other ways to the same phone, tried when this one fails (RFC 5626 §7)."""
        self.like: tuple[str, str] | None = None
        """Call-ID and From tag of the first INVITE, where somebody was told of them before."""
        self.needs_offer = needs_offer
        self.may_refresh = may_refresh
        self.sticky = sticky
        self.authorizer = authorizer
        self.caller = caller
        self.callee = callee
        self.identity = identity
        self.diverted_by = diverted_by

    def __repr__(self) -> str:
        return f"Target({self.uri or self.label})"


class StaticTargets:
    """Targets that are all known now, and how many they are, so that a fork can share out what it may spend.

    A source of late ones is an asynchronous generator.
    """

    __slots__ = ("targets",)

    def __init__(self, targets: Sequence[Target]) -> None:
        self.targets = targets

    async def __aiter__(self) -> AsyncIterator[Target]:
        for target in self.targets:
            yield target


def static_targets(targets: Sequence[Target]) -> StaticTargets:
    """A source of targets that are all known now."""
    return StaticTargets(targets)
