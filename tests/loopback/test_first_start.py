"""The first start on a machine: what it makes, and what a start that failed leaves for the next one."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path

from tests.peers.programs import trunkline_program

READY_S = 60.0


def up(data: Path, port: int) -> list[str]:
    listen = f"udp:127.0.0.1:{port}"
    return [trunkline_program(), "up", "--data", str(data), "--listen", listen, "--metrics", "off"]


def test_a_first_start_that_fails_leaves_the_passwords_to_the_next_one(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        failed = subprocess.run(
            up(tmp_path / "data", port), capture_output=True, text=True, timeout=READY_S, check=False
        )
    assert failed.returncode == 2
    assert "in use by" in failed.stderr
    with subprocess.Popen(
        up(tmp_path / "data", 0), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as started:
        assert started.stdout is not None
        seen = ""
        while not seen.endswith("trunkline calls\n") and (line := started.stdout.readline()):
            seen += line
        started.terminate()
        assert started.wait(READY_S) == 0
    assert re.findall(r"extension +(100[12])  password \S{19}\n", seen) == ["1001", "1002"]
