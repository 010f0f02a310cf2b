"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# The machine may be busy with peers: how long one example takes says nothing here.
settings.register_profile("trunkline", deadline=None, print_blob=True)
settings.load_profile("trunkline")
