"""Firebase Cloud Messaging, HTTP v1: Android devices. Begin reading in ``pusher``."""

from trunkline.push.fcm.plan import FcmPlan
from trunkline.push.fcm.pusher import FcmPusher

__all__ = ["FcmPlan", "FcmPusher"]
