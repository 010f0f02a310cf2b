"""Web Push (RFC 8030, 8291, 8292): browsers, and by UnifiedPush phones without Google. Begin reading in ``pusher``."""
