"""Texts on their way: one durable queue, in order for each reader, one at a time."""
