"""The words of a hand-over: its states, as apps and rows name them, and what may happen to it."""

from __future__ import annotations

from typing import Final

TOLD: Final = "told"  # over the live channel, if the device has one; no push was asked for yet
QUEUED: Final = "push_queued"
SENT: Final = "push_sent"
REACHED: Final = "device_reached"
RINGING: Final = "ringing"
ACCEPTED: Final = "accepted"
ANSWERED: Final = "answered"  # the caller's 200 is out, its ACK is awaited
CONFIRMED: Final = "confirmed"
CANCELLED: Final = "cancelled"
ELSEWHERE: Final = "elsewhere"
EXPIRED: Final = "expired"
ENDED: Final = "ended"

STATES: Final = (
    TOLD, QUEUED, SENT, REACHED, RINGING, ACCEPTED, ANSWERED, CONFIRMED, CANCELLED, ELSEWHERE, EXPIRED, ENDED,
)  # fmt: skip
OPEN: Final = (TOLD, QUEUED, SENT, REACHED, RINGING)  # it can still be accepted
TAKEN_UP: Final = (ACCEPTED, ANSWERED, CONFIRMED)
FINAL: Final = (CANCELLED, ELSEWHERE, EXPIRED, ENDED)

PUSH: Final = "push"
TAKEN: Final = "taken"  # the provider has it
UNTAKEN: Final = "untaken"
ALONE: Final = "alone"  # the leg that the phone was pushed for is over, and this one is not
CONTACT: Final = "contact"
RING: Final = "ring"
ACCEPT: Final = "accept"
REJECT: Final = "reject"
HANG_UP: Final = "hang_up"
ANSWER: Final = "answer"
CONFIRM: Final = "confirm"
CANCEL: Final = "cancel"
LOSE: Final = "lose"  # another device has it, or declined it for all
TIMEOUT: Final = "timeout"
END: Final = "end"
GONE: Final = "gone"  # the device was removed, or is somebody else's now

INPUTS: Final = (
    PUSH, TAKEN, UNTAKEN, ALONE, CONTACT, RING, ACCEPT, REJECT, HANG_UP, ANSWER, CONFIRM, CANCEL, LOSE, TIMEOUT,
    END, GONE,
)  # fmt: skip
