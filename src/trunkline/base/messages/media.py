"""Instances of rtpengine taken out of use for maintenance. They concern the exchange; ``tenant`` means nothing."""

from __future__ import annotations

from trunkline.base.message_codec import Message, message
from trunkline.base.messages.exchange import MediaInstanceRow
from trunkline.base.messages.request import Command


@message("media.drained")
class MediaDrained(Message):
    """How the instance is now.

    ``moving`` are the calls that begin to move, ``others`` the instances that still take new ones.
    """

    row: MediaInstanceRow
    moving: int = 0
    others: int = 0


@message("media.drain")
class DrainMedia(Command[MediaDrained]):
    """Give an instance no new calls, or with ``undo`` calls again. With ``move`` its calls go on at others.

    ``name`` is what the settings have, or its host or port, when that is unambiguous. Refused with
    ``media.unknown_instance``, and with ``media.no_engine`` when calls are to move and no other instance is up.
    """

    name: str
    move: bool = False
    undo: bool = False
