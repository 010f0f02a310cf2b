"""The registrar: addresses of record, their bindings and the flows these came by (RFC 3261 §10)."""
