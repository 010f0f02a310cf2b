"""SIP over WebSocket (RFC 7118): ``protocol`` does no I/O, ``flow`` is the connection that speaks it."""
