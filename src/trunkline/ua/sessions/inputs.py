"""The inputs that both session tables know; each table adds its own from 10 on."""

from typing import Final

HANG_UP: Final = 0  # we want to end it
BYE_RECEIVED: Final = 1
BYE_DONE: Final = 2  # our BYE got its final response, or none will come
LOST: Final = 3  # 408 or 481 within the dialog: the peer does not know it any more (RFC 3261 §12.2.1.2)
