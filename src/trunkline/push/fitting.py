"""Notifications that every provider takes, whatever a caller has written into the names that they carry.

A name, an address and a text come from strangers. A byte that is no UTF-8 in them, or one letter too many, would make
a provider refuse the notification (4096 bytes, most of them for what we say ourselves), and a phone would not ring.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from trunkline.push.notification import Notification

MOST_DATA: Final = 2600  # bytes of JSON: with all else a notification has 3993 of them (Web Push), or 4096
MOST_TITLE: Final = 240
MOST_BODY: Final = 480
_LONGEST: Final = 2048
_SHORTEST: Final = 64
_ESCAPED: Final = 2  # bytes that a printable character of ASCII may take in JSON


def fitted(notification: Notification) -> Notification:
    """The same, or one whose longest texts are cut, in characters that JSON can carry."""
    if _fits(notification):
        return notification
    return replace(
        notification,
        title=_cut(_readable(notification.title), MOST_TITLE),
        body=_cut(_readable(notification.body), MOST_BODY),
        data=_within({name: _readable(text) for name, text in notification.data.items()}),
    )


def _fits(notification: Notification) -> bool:
    """Told without writing it: most do."""
    title, body, data = notification.title, notification.body, notification.data
    whole = "".join((title, body, *data.values()))
    if not (whole.isascii() and whole.isprintable()):
        return False
    size = sum(map(len, data)) + sum(map(len, data.values())) + 6 * len(data)
    wanted = ((len(title), MOST_TITLE), (len(body), MOST_BODY), (size, MOST_DATA))
    return all(length * _ESCAPED <= most for length, most in wanted)


def _within(data: Mapping[str, str]) -> Mapping[str, str]:
    """The longest are cut first: tokens and names of what it is are short."""
    longest = _LONGEST
    while _size(data) > MOST_DATA and longest >= _SHORTEST:
        data = {name: _cut(text, longest) for name, text in data.items()}
        longest //= 2
    return data


def _cut(text: str, most: int) -> str:
    """``text`` in at most ``most`` bytes of JSON."""
    while (size := _size(text)) > most:
        text = text[: min(len(text) - 1, len(text) * most // size)]
    return text


def _size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def _readable(text: str) -> str:
    """Bytes that are no UTF-8 stand as surrogates in texts of SIP: they become U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
