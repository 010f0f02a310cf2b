"""Notifications that wake mobile apps: one is sent, and its fate is told (APNs, FCM, Web Push, webhook)."""
