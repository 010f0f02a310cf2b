"""The asyncio SIP endpoint: doors for incoming requests, requests and invite sessions going out."""
