"""Doors: who may claim an incoming request, in the order that the wiring gives."""

from __future__ import annotations

from typing import Protocol, cast

from trunkline.net.flow import Flow
from trunkline.proto.sip.transaction.incoming import Incoming


class Door(Protocol):
    """One way in: the exchange, the registrar, the mobile bindings, a trunk."""

    methods: frozenset[str]
    """The methods that this door ever claims; they make up our Allow."""

    def claim(self, incoming: Incoming, flow: Flow) -> bool:
        """Take the request (True: it is or will be answered) or leave it to the next door.

        It decides at once, from memory: what needs to wait begins a transaction and answers later.
        ``flow.listener`` is the listener that the request came in by.
        """
        ...


def flow_of(incoming: Incoming) -> Flow:
    """The flow of a request; every wire of an endpoint is a flow of its ``net``."""
    return cast("Flow", incoming.wire)
