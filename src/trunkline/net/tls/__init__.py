"""TLS: certificates and the contexts made of them, and the channel between a socket and its flow.

Begin reading in ``contexts``.
"""
