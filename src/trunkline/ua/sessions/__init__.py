"""INVITE sessions (RFC 3261 §13 to §15): the dialog usage that a call stands on.

``ServerSession`` is a call that came in, ``ClientSession`` one that we make. Both own what transactions leave
to their user: the 2xx and its retransmission, the ACK of a 2xx, CANCEL and its races, BYE. ``snapshot`` writes
one down, ``restore`` takes it up in another process.
"""

from trunkline.ua.sessions.client import ClientSession
from trunkline.ua.sessions.server import ServerSession
from trunkline.ua.sessions.session import Session, SessionUser
from trunkline.ua.sessions.snapshot import restore, snapshot

__all__ = ["ClientSession", "ServerSession", "Session", "SessionUser", "restore", "snapshot"]
