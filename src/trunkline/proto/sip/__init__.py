"""SIP without sockets: messages, typed header values, digest, transactions and dialogs (RFC 3261)."""
