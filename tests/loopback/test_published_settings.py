"""The exchange starts with published configurations of other products, unchanged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.ports import free_ports
from tests.peers.warm import warm_trunkline

PUBLISHED = Path(__file__).parents[1] / "vectors/published"
NO_EXTENSIONS = "exchange.enabled is false, and there are no extensions"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gateway.toml", NO_EXTENSIONS),
        ("gateway.example.toml", NO_EXTENSIONS),
        ("voip-settings.json", "gateways is not active yet in this version"),
    ],
)
def test_it_starts_and_tells_what_became_of_the_settings(tmp_path: Path, name: str, told: str) -> None:
    port = free_ports(2)
    with subprocess.Popen(
        [warm_trunkline(), "up", "--config", PUBLISHED / name, "--data", tmp_path, "--metrics", "off",
         "--listen", f"udp:127.0.0.1:{port}", "--api", f"127.0.0.1:{port + 1}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            lines: list[str] = []
            for line in process.stdout:
                lines.append(line)
                if '"event":"running"' in line:
                    break
        finally:
            process.terminate()
            rest, _ = process.communicate(timeout=60)
    text = "".join(lines) + rest
    sys.stdout.write(text)
    assert process.returncode == 0
    assert f"udp:127.0.0.1:{port}" in text
    assert told in text
    assert ("password" in text) is (told is not NO_EXTENSIONS)
    for secret in ("your-jwt-secret", "your-api-key", "your-credential", "CHANGE-ME"):
        assert secret not in text
