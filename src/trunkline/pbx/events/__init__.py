"""What extensions may watch: registrations, calls, waiting messages and presence (RFC 3680, 4235, 3842, 3856)."""
