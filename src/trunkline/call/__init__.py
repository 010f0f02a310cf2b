"""Calls: legs, forks and bridges; signalling and media joined."""
