"""Session refreshes of a leg (RFC 4028): ours with the description that stands, the party's answered by ourselves.

A re-INVITE that says again what was agreed changes nothing, and the other party is not asked. It is known by the
whole description, not by the version in its o= line alone: there are phones that change without counting.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trunkline.base.errors import MediaError, RemoteProtocolError
from trunkline.call.headers import description_of
from trunkline.media.offer_answer import streams_of

if TYPE_CHECKING:
    from trunkline.call.sip_leg import SipLeg
    from trunkline.proto.sip.message import Response
    from trunkline.ua.sessions import Session

_refused_stream = re.compile(rb"^m=\S+ 0 ", re.MULTILINE).search


def described(leg: SipLeg) -> bytes:
    """What the party was told last of our side."""
    return leg.media.identity.body.encode("utf-8", "surrogateescape")


def answer_refresh(leg: SipLeg, session: Session, body: bytes) -> bool:
    """Answer a re-INVITE that only refreshes; False when it is more than that, or no timer was agreed."""
    # What we said of a stream that the party has refused is no answer to its refusal.
    if session.timer is None or hash(body) != leg.heard or _refused_stream(body):
        return False
    ours = described(leg)
    if not ours:
        return False
    session.reoffer.answer(ours)
    return True


def send_refresh(leg: SipLeg, session: Session) -> None:
    """Our re-INVITE, with o= line and all as they were; a T.38 session stays one."""
    ours = described(leg)
    if not ours:
        # Known only after a crash, of a description with keys in it: there is nothing to repeat.
        if session.timer is not None:
            session.timer.stop()
        return

    def done(status: int, response: Response | None) -> None:
        if session.timer is not None:
            session.timer.refreshed(status, response)
        if status < 300 and response is not None:
            _look(leg, description_of(response))

    session.reoffer.send(ours, done)


def _look(leg: SipLeg, answer: bytes) -> None:
    """A party that answers otherwise than before has moved: its media goes where it says now."""
    if not answer or hash(answer) == leg.heard or leg.done:
        return
    leg.heard = hash(answer)

    async def follow() -> None:
        try:
            plain = leg.media.read(answer, answer=True)
            await leg.media.hear(streams_of(plain), streams_of(leg.media.told))
        except (RemoteProtocolError, MediaError):
            leg.heard = 0  # what stands, stands; the party's next description is looked at in full

    leg.context.spawn(follow())
