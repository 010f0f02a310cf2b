"""The exchange starts with published configurations of other products, unchanged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.ports import free_ports
from tests.peers.programs import trunkline_program

PUBLISHED = Path(__file__).parents[1] / "vectors/published"


@pytest.mark.parametrize(("name", "inactive"), [("gateway.toml", "apns"), ("voip-settings.json", "gateways")])
def test_it_starts_and_tells_what_is_not_active(tmp_path: Path, name: str, inactive: str) -> None:
    port = free_ports(1)
    with subprocess.Popen(
        [trunkline_program(), "up", "--config", PUBLISHED / name, "--data", tmp_path, "--metrics", "off",
         "--listen", f"udp:127.0.0.1:{port}"],
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
            rest, _ = process.communicate(timeout=20)
    text = "".join(lines) + rest
    sys.stdout.write(text)
    assert process.returncode == 0
    assert f"udp:127.0.0.1:{port}" in text
    assert f"{inactive} is not active yet in this version" in text
    assert not any(secret in text for secret in ("your-jwt-secret", "your-api-key", "your-credential"))
