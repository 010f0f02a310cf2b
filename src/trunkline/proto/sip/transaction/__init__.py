"""The four transaction machines of RFC 3261 §17 with RFC 6026, and the layer that feeds them messages."""

from trunkline.proto.sip.transaction.client_invite import ClientInvite
from trunkline.proto.sip.transaction.client_non_invite import ClientNonInvite
from trunkline.proto.sip.transaction.layer import Core, TransactionLayer
from trunkline.proto.sip.transaction.machine import ClientUser, Failure, ServerUser, Timings
from trunkline.proto.sip.transaction.server_invite import ServerInvite
from trunkline.proto.sip.transaction.server_non_invite import ServerNonInvite

__all__ = [
    "ClientInvite",
    "ClientNonInvite",
    "ClientUser",
    "Core",
    "Failure",
    "ServerInvite",
    "ServerNonInvite",
    "ServerUser",
    "Timings",
    "TransactionLayer",
]
