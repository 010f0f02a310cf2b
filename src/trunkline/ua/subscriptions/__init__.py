"""The notifier's side of event notification (RFC 6665)."""

from trunkline.ua.subscriptions.notifier import Notifier, NotifierPolicy
from trunkline.ua.subscriptions.package import Package, View, Watch
from trunkline.ua.subscriptions.subscription import Subscription

__all__ = ["Notifier", "NotifierPolicy", "Package", "Subscription", "View", "Watch"]
