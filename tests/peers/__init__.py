"""Drivers of real peers: baresip, SIPp and Trunkline itself as programs, and what they say and record."""
