"""Sans-I/O protocols that do not know each other: bytes and time in, values and bytes to send out."""
