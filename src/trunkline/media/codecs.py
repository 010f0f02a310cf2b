"""Which codecs two parties share, what is offered beyond the caller's, and what is converted when they share none.

Everything about a section is worked out once for each of its texts: phones say the same in every call.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from trunkline.media.codec_commands import Format
from trunkline.media.profile import Profile
from trunkline.media.shape import Shape
from trunkline.proto.sdp import MediaDescription

Key: TypeAlias = tuple[str, int, int]
"""Encoding name in lower case, clock rate in Hz, channels."""

EVENT: Final = "telephone-event"
_NO_SPEECH: Final = frozenset({EVENT, "cn", "red", "ulpfec", "flexfec-03"})
# What the engine speaks, and the name that its commands use; RFC 7587 §4.1 fixes the 2 of Opus.
CONVERTIBLE: Final[dict[Key, str]] = {
    ("pcmu", 8000, 1): "PCMU",
    ("pcma", 8000, 1): "PCMA",
    ("g722", 8000, 1): "G722",
    ("opus", 48000, 2): "opus",
    ("l16", 8000, 1): "L16",
    ("l16", 16000, 1): "L16",
    ("l16", 48000, 1): "L16",
}
# What is offered beside the caller's, the cheapest to convert first, and its static number (RFC 3551 §6).
_OFFERED: Final[tuple[tuple[Key, int | None, str], ...]] = (
    (("pcma", 8000, 1), 8, "PCMA/8000"),
    (("pcmu", 8000, 1), 0, "PCMU/8000"),
    (("g722", 8000, 1), 9, "G722/8000"),
    (("opus", 48000, 2), None, "opus/48000/2"),
)
_OPUS: Final = "useinbandfec=1"
_EVENTS: Final = "0-16"
# Dynamic numbers (RFC 3551 §3) in the order in which phones expect them for events and for the rest.
_EVENT_NUMBERS: Final = (101, *range(96, 101), *range(102, 128))
_NUMBERS: Final = (*range(107, 128), *range(96, 107))
_FORMAT_ROWS: Final = ("a=rtpmap:", "a=fmtp:", "a=rtcp-fb:", "a=ptime:", "a=maxptime:")


class AudioFormat(NamedTuple):
    """One payload type of an m-line; ``codec`` in lower case, ``parameters`` as in ``a=fmtp``."""

    payload_type: int
    codec: str
    clock_hz: int
    channels: int
    parameters: str = ""

    @property
    def key(self) -> Key:
        return self.codec, self.clock_hz, self.channels

    @property
    def format(self) -> Format:
        """As the engine's commands say it."""
        name = CONVERTIBLE.get(self.key, self.codec)
        return Format(self.payload_type, name, self.clock_hz, self.channels, self.parameters)


class Pairing(NamedTuple):
    """How packets of one stream go between who offered and who answered.

    With ``convert`` the offerer speaks ``ours`` and the answerer ``theirs``; otherwise they are relayed as they are,
    and of the answer only the payload types in ``keep`` are told to the offerer (None: all of them).
    """

    convert: bool
    keep: frozenset[str] | None = None
    ours: AudioFormat | None = None
    theirs: AudioFormat | None = None


AS_IT_IS: Final = Pairing(convert=False)


def formats_of(shape: Shape) -> tuple[AudioFormat, ...]:
    """The payload types of a section that have a meaning, in its order."""
    if shape.audio is None:
        shape.audio = _read(shape.text)
    return shape.audio


def _read(text: str) -> tuple[AudioFormat, ...]:
    media = MediaDescription(("m=audio 9 " + text).split("\r\n"))
    read: list[AudioFormat] = []
    for name in media.formats:
        rtpmap = media.rtpmap(name)
        if rtpmap is not None and name == str(rtpmap.payload_type):
            codec, channels = rtpmap.encoding.lower(), rtpmap.channels
            parameters = media.fmtp(name) or ""
            read.append(AudioFormat(rtpmap.payload_type, codec, rtpmap.clock_rate, channels, parameters))
    return tuple(read)


def ptime_of(shape: Shape) -> int:
    """The packet length that a section asks for, as the engine takes it: 10, 20, 30, 40 or 60 ms.

    Never longer than its ``maxptime`` (RFC 8866 §6.4), unless that is under 10 ms.
    """
    media = MediaDescription(("m=audio 9 " + shape.text).split("\r\n"))
    wanted, longest = media.ptime or 20, max(media.maxptime or 60, 10)
    return min((one for one in (10, 20, 30, 40, 60) if one <= longest), key=lambda one: abs(one - wanted))


def speech(formats: Sequence[AudioFormat]) -> list[AudioFormat]:
    """Those that carry voices."""
    return [one for one in formats if one.codec not in _NO_SPEECH]


def event_for(formats: Sequence[AudioFormat], clock_hz: int) -> AudioFormat | None:
    """The telephone events of a section that suit a codec's clock (RFC 4733 §2.1), else any."""
    events = [one for one in formats if one.codec == EVENT]
    return next((one for one in events if one.clock_hz == clock_hz), events[0] if events else None)


@lru_cache(maxsize=512)
def pairing(offered: tuple[AudioFormat, ...], answered: tuple[AudioFormat, ...]) -> Pairing:
    """What becomes of a stream whose offer and answer have these formats."""
    asked, given = speech(offered), speech(answered)
    if not asked or not given:
        return AS_IT_IS
    known = {one.key for one in asked}
    shared = [one for one in given if one.key in known]
    if shared and (given[0].key in known or given[0].key not in CONVERTIBLE):
        if len(shared) == len(given):
            return AS_IT_IS
        alien = {str(one.payload_type) for one in given if one.key not in known}
        kept = frozenset(str(one.payload_type) for one in answered if str(one.payload_type) not in alien)
        return Pairing(convert=False, keep=kept)
    ours = next((one for one in asked if one.key in CONVERTIBLE), None)
    theirs = next((one for one in given if one.key in CONVERTIBLE), None)
    if ours is None or theirs is None:
        return AS_IT_IS
    return Pairing(True, None, ours, theirs)


def widened(profile: Profile, shape: Shape, text: str | None, known: dict[Key, int]) -> str | None:
    """The text of an offer with what the engine can convert to; ``text`` is what the profile has left, if anything.

    ``known`` are payload types that the party has given to codecs before: they keep their meaning in a session
    (RFC 3264 §8.3.2).
    """
    if not known:
        name = f"{profile.name}+"
        if name not in shape.reduced:
            shape.reduced[name] = _widen(profile, shape, text, known)
        return shape.reduced[name]
    return _widen(profile, shape, text, known)


def _widen(profile: Profile, shape: Shape, text: str | None, known: dict[Key, int]) -> str | None:
    named = formats_of(shape)
    if not any(one.key in CONVERTIBLE for one in named):
        return text
    left = formats_of(shape) if text == shape.text else _read(text) if text is not None else ()
    taken = {*shape.formats, *(str(number) for number in known.values())}
    present = {one.key for one in left}
    added: list[tuple[int, str, str]] = []
    for key, static, encoding in _OFFERED:
        if key not in present and (profile.codecs is None or key[:2] in profile.codecs):
            number = static if static is not None else known.get(key, _free(taken, _NUMBERS))
            if number is not None and (str(number) not in taken or known.get(key) == number):
                taken.add(str(number))
                added.append((number, encoding, _OPUS if key[0] == "opus" else ""))
    clocks = {one.clock_hz for one in left if one.codec == EVENT}
    if added and 8000 not in clocks and any(one.codec == EVENT for one in named):
        own = {one.key: one.payload_type for one in named} | known
        number = own.get((EVENT, 8000, 1), _free(taken, _EVENT_NUMBERS))
        if number is not None:
            added.append((number, f"{EVENT}/8000", _EVENTS))
    if not added:
        return text
    first, *rows = (text if text is not None else _emptied(shape.text)).split("\r\n")
    for number, encoding, parameters in added:
        first += f" {number}"
        rows.append(f"a=rtpmap:{number} {encoding}")
        if parameters:
            rows.append(f"a=fmtp:{number} {parameters}")
    return "\r\n".join([first, *rows])


def _free(taken: Collection[str], numbers: Sequence[int]) -> int | None:
    return next((number for number in numbers if str(number) not in taken), None)


def _emptied(text: str) -> str:
    """A section without any format: the protocol and the rows that are about none."""
    first, *rows = text.split("\r\n")
    return "\r\n".join([first.split(" ")[0], *(row for row in rows if not row.startswith(_FORMAT_ROWS))])


def narrowed(how: Pairing, offered: tuple[AudioFormat, ...], shape: Shape, text: str | None) -> str | None:
    """The text of an answer, for who has offered: only what it has named itself."""
    if how.convert and how.ours is not None:
        return _converted(how.ours, offered, shape.text)
    if how.keep is None or text is None:
        return text
    first, *rows = text.split("\r\n")
    protocol, *numbers = first.split(" ")
    kept = [number for number in numbers if number in how.keep]
    return "\r\n".join([" ".join([protocol, *kept]), *(row for row in rows if _is_about(row, how.keep))])


def _is_about(row: str, kept: Collection[str]) -> bool:
    if not row.startswith(_FORMAT_ROWS[:3]):
        return True
    number = row.partition(":")[2].partition(" ")[0]
    return number in kept or number == "*"


def _converted(ours: AudioFormat, offered: tuple[AudioFormat, ...], text: str) -> str:
    first, *rows = _emptied(text).split("\r\n")
    channels = f"/{ours.channels}" if ours.channels > 1 else ""
    name = CONVERTIBLE[ours.key]
    first += f" {ours.payload_type}"
    made = [f"a=rtpmap:{ours.payload_type} {name}/{ours.clock_hz}{channels}"]
    if ours.codec == "opus":
        made.append(f"a=fmtp:{ours.payload_type} {_OPUS}")
    event = event_for(offered, ours.clock_hz)
    if event is not None:
        first += f" {event.payload_type}"
        made.append(f"a=rtpmap:{event.payload_type} {EVENT}/{event.clock_hz}")
        made.append(f"a=fmtp:{event.payload_type} {_EVENTS}")
    return "\r\n".join([first, *made, "a=ptime:20", *rows])
