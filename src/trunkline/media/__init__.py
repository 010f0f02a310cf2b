"""The typed face of the media engine, and offer/answer for what it relays.

``commands`` go in, ``events`` come out; ``engine`` is the contract, ``embedded`` the engine in this process.
"""
