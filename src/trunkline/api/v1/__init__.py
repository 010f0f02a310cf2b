"""The routes of version 1, a file for each resource."""

from typing import Final

from trunkline.api.v1.auth import router as tokens
from trunkline.api.v1.calls import router as calls
from trunkline.api.v1.devices import router as devices
from trunkline.api.v1.events import router as events
from trunkline.api.v1.health import router as health
from trunkline.api.v1.in_call import router as in_call
from trunkline.api.v1.push import router as push

ROUTERS: Final = (tokens, devices, calls, in_call, events, push, health)
