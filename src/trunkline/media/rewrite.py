"""Carry one side's body to the other side: our addresses and ports, everything else as it came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from trunkline.base.errors import CallFailed, LocalProtocolError
from trunkline.media.identity import LocalPort, SdpIdentity, address_row
from trunkline.media.profile import TRANSPARENT, Profile, carries, reduced
from trunkline.media.shape import MISPLACED, STRIPPED, Shape
from trunkline.media.sketch import Sketch, sketch_of
from trunkline.media.streams import Stream
from trunkline.proto.sdp import DIRECTIONS

Edit: TypeAlias = Callable[[int, Shape, str | None], str | None]
"""Position, shape, and the text that is left (None: no codec is); the text to send, or None."""

CRLF: Final = "\r\n"

_DROPPED: Final = STRIPPED + MISPLACED
_DIRECTION_ROWS: Final = tuple(f"a={direction}" for direction in DIRECTIONS)


def rewrite(
    sdp: str,
    local: Sequence[LocalPort | None],
    identity: SdpIdentity,
    profile: Profile = TRANSPARENT,
    *,
    offer: bool = False,
    edit: Edit | None = None,
    dress: Callable[[str], str] | None = None,
) -> str:
    """The body to send on ``identity``'s dialog for the peer's ``sdp``, offer or answer alike.

    Every m-line is mirrored in order (RFC 3264 §6). ``local`` has one entry for each: our port that the
    receiver of the body shall send to, or None to reject the stream. Port 0 also stands where the peer
    rejected it or the profile does not carry it. Payload types, parameters, ptime, directions and unknown
    rows pass unchanged; a hold by zero address becomes the direction it means (RFC 3264 §8.4).

    With ``offer`` the m-lines that the dialog had beyond these stay in it, rejected (RFC 3264 §8): phones forget
    those of an ended fax or video. Their answer has more m-lines than ``local`` then, and the first ones count.

    ``edit`` may change the text of a live audio section once more, given what the profile has left of it, and
    ``dress`` all that comes after the o= row, before its version is counted.

    Raises RemoteProtocolError 400 for a body that cannot be parsed, CallFailed 488 when the profile leaves
    no audio, LocalProtocolError when ``local`` is longer than there are m-lines.
    """
    sketch = sketch_of(sdp)
    streams = sketch.streams[: len(local)]
    if len(local) != len(streams):
        raise LocalProtocolError(f"{len(local)} local ports for {len(streams)} media lines")
    live = _carried(streams, local, profile)
    texts = [shape.text for shape in sketch.shapes]
    if profile.codecs is not None or edit is not None:
        _reduce(sketch, streams, texts, live, profile, edit)
    address = identity.address
    for port in live:
        if port is not None:
            address = port.address
            break
    head, below = sketch.head, ""
    if sketch.connection is not None or any(shape.connection is None for shape in sketch.shapes):
        parts = [f"{head.before}c={address_row(address)}\r\n{head.after}"]
    else:
        # Each section of the peer has a c= row of its own, so the session needs none (RFC 8866 §5.7).
        parts, address, below = [head.before + head.after], "", f"\r\nc={address_row(identity.address)}"
    for stream, shape, text, port in zip(streams, sketch.shapes, texts, live):  # noqa: B905  (the first ones)
        if port is None:
            # Nothing below the m-line: it would describe a stream that will not be.
            parts.append(f"m={stream.kind} 0 {text.partition(CRLF)[0]}{below}\r\n")
        elif _passes_as_is(shape, stream, port, address):
            parts.append(f"m={stream.kind} {port.port} {text}\r\n")
        else:
            parts.append(f"m={stream.kind} {port.port} {_edited(text, stream, port, address)}\r\n")
    if offer and identity.lines > len(streams):
        parts += [f"{line}{below}\r\n" for line in identity.rejected_from(len(streams))]
    after = "".join(parts)
    return identity.stamp(after if dress is None else dress(after))


def _carried(
    streams: Sequence[Stream], local: Sequence[LocalPort | None], profile: Profile
) -> list[LocalPort | None]:
    """Our port for each stream that lives and is one of the profile's; the lengths are equal."""
    return [
        port
        if port is not None and not stream.rejected and (profile.codecs is None or carries(profile, stream))
        else None
        for stream, port in zip(streams, local)  # noqa: B905
    ]


def _reduce(
    sketch: Sketch,
    streams: Sequence[Stream],
    texts: list[str],
    live: list[LocalPort | None],
    profile: Profile,
    edit: Edit | None,
) -> None:
    """Apply the profile and what else edits the texts; an audio stream that loses all codecs is rejected."""
    lost = False
    for stream in streams:
        if live[stream.position] is not None and stream.kind == "audio" and stream.transport != "udptl":
            shape = sketch.shapes[stream.position]
            text = reduced(profile, shape)
            if edit is not None:
                text = edit(stream.position, shape, text)
            if text is None:
                live[stream.position], lost = None, True
            else:
                texts[stream.position] = text
    audio = any(live[stream.position] is not None and stream.kind == "audio" for stream in streams)
    if lost and not audio:
        raise CallFailed(488, f"No audio codec of the {profile.name} profile offered", 88, "sdp.no_codec")


def _passes_as_is(shape: Shape, stream: Stream, port: LocalPort, address: str) -> bool:
    """Whether no row of the section needs an edit on its way through ``port``."""
    next_port = port.rtcp_port in {0, port.port + 1}
    return shape.plain and not stream.zero_address and port.address == address and next_port


def _edited(text: str, stream: Stream, port: LocalPort, address: str) -> str:
    """The section after its port, with our addresses and without what ends at us."""
    first, *rows = text.split(CRLF)
    dropped = _DROPPED + _DIRECTION_ROWS if stream.zero_address else _DROPPED
    rtcp_port = port.rtcp_port or port.port + 1
    own, rtcp = port.address != address, rtcp_port != port.port + 1
    kept: list[str] = []
    for row in rows:
        if row.startswith("c="):
            own = True
        elif row.startswith("a=rtcp:"):
            rtcp = True
        elif not row.startswith(dropped):
            kept.append(row)
    if own:
        place = 1 if kept and kept[0].startswith("i=") else 0  # RFC 8866 §5: i= comes first
        kept.insert(place, "c=" + address_row(port.address))
    if rtcp:
        kept.append(f"a=rtcp:{rtcp_port}")  # RFC 3605 §2.1
    if stream.zero_address:
        kept.append(f"a={stream.effective_direction}")
    return CRLF.join([first, *kept])
