"""What happens to an app's calls and devices, for its live channel."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Final

from trunkline.base.events import Event
from trunkline.base.message_codec import message


@message("event.app")
class AppEvent(Event):
    """``number`` counts up for each owner and is what a client names when it comes back; ``at`` Unix seconds.

    ``name`` is one of: ``call.incoming``, ``call.cancelled``, ``call.answered_elsewhere``, ``call.declined_elsewhere``,
    ``call.confirmed`` (it is active; ``sdp_answer`` when the app made the offer), ``call.progress`` (``sip_status``,
    ``sdp`` with early media), ``call.answered`` (of an outgoing one, ``sdp_answer``), ``call.ended`` (``reason``,
    ``sip_status``), ``call.renegotiate`` (``sdp_offer``, ``renegotiation``), ``call.changed`` (``held``), ``call.info``
    (``content_type``, ``body``), ``call.transfer`` (``sip_status``), ``message.received`` (``from``, ``content_type``,
    ``body``), ``message.waiting`` (``waiting``, ``new``, ``old``), ``device.status``.
    """

    owner: str
    number: int
    name: str
    call_token: str = ""
    device_id: str = ""
    data: dict[str, Any] = field(default_factory=dict)


NAMES: Final = frozenset(
    {
        "call.incoming",
        "call.cancelled",
        "call.answered_elsewhere",
        "call.declined_elsewhere",
        "call.confirmed",
        "call.progress",
        "call.answered",
        "call.ended",
        "call.renegotiate",
        "call.changed",
        "call.info",
        "call.transfer",
        "message.received",
        "message.waiting",
        "device.status",
    }
)
"""Those that ``AppEvent`` names; the live channel tells no other."""
