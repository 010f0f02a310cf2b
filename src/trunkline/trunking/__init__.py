"""Trunks: peers that we call out through."""
