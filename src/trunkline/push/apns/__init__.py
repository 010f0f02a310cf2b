"""Apple's push service: HTTP/2, provider tokens, what its answers mean."""
