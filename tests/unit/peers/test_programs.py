"""A peer that is missing fails the test that needs it, and says what to install."""

from __future__ import annotations

import pytest

from tests.peers import programs


def test_a_missing_peer_fails_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_PLACES", "/nowhere")
    with pytest.raises(programs.MissingPeerError, match="apt-get install --no-install-recommends sip-tester"):
        programs.program("sipp")
