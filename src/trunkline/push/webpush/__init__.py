"""Web Push (RFC 8030, 8291, 8292): browsers, and by UnifiedPush phones without Google. Begin reading in ``pusher``."""

from trunkline.push.webpush.pusher import WebPushPlan, WebPushPusher
from trunkline.push.webpush.vapid import VapidKey, keep_vapid_key

__all__ = ["VapidKey", "WebPushPlan", "WebPushPusher", "keep_vapid_key"]
