"""Firebase Cloud Messaging, HTTP v1: Android devices. Begin reading in ``pusher``."""
