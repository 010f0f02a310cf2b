"""Traces: SIP messages as they came and left, shown as a ladder, written as pcap, kept of past calls."""
