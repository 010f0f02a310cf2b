"""Fuzzing: whatever bytes come from the network, only ``RemoteProtocolError`` comes out."""
