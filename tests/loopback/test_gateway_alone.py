"""A mobile gateway alone, as an operator starts it: what holds without its keys, and what a reload changes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.peers.ports import free_ports
from tests.peers.warm import warm_trunkline

KEY = "a key for the backend of this test"
SETTINGS = """
[server]
listen = "127.0.0.1:{api}"
[auth]
secret = "your-jwt-secret-here"
api_key_env = "BACKEND_KEY"
[database]
url = "sqlite:data/gateway.db?mode=rwc"
[apns]
key_path = "missing.p8"
key_id = "ABCDE12345"
team_id = "FGHIJ67890"
topic = "com.example.phone.voip"
[mobile]
domains = ["127.0.0.1"]
[sip]
listen = ["udp:127.0.0.1:{sip}"]
[metrics]
listen = "off"
"""


class Gateway:
    """A running one; ``ask`` is what an app or its backend does."""

    def __init__(self, folder: Path, api: int) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{api}"
        self.token = ""

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data, headers)  # noqa: S310  (http to our own address)
        try:
            with urlopen(request, timeout=60) as reply:  # noqa: S310
                return reply.status, json.loads(reply.read())
        except HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def device(self, domain: str) -> int:
        """The status of a device's registration."""
        body = {
            "platform": "ios",
            "push_token": "ab" * 32,
            "sip_username": "alice",
            "sip_password": "hers",
            "sip_domain": domain,
        }
        return self.ask("/v1/devices", body)[0]

    def run(self, *words: str) -> str:
        """A command beside it."""
        done = subprocess.run(
            [warm_trunkline(), *words, "--data", "data"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    api = free_ports(2)
    (tmp_path / "gateway.toml").write_text(SETTINGS.format(api=api, sip=api + 1))
    with subprocess.Popen(
        [warm_trunkline(), "up", "--config", "gateway.toml"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "BACKEND_KEY": KEY},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if '"event":"running"' in line:
                    break
            assert process.poll() is None, "".join(lines)
            yield Gateway(tmp_path, api)
        finally:
            process.terminate()
            process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.scenario(15)
def test_a_key_that_is_missing_is_told_and_stops_nothing_else(gateway: Gateway) -> None:
    status, told = gateway.ask("/ready")
    assert status == 503
    assert [one["state"] for one in told["push"] if one["service"] == "apns"] == ["failing"]
    assert "missing.p8" not in json.dumps(told), "paths are for the operator"
    assert gateway.ask("/v1/auth/token", {"user_id": "alice"})[0] == 401
    status, reply = gateway.ask("/v1/auth/token", {"user_id": "alice", "api_key": KEY})
    assert status == 200
    gateway.token = reply["token"]
    assert gateway.device("127.0.0.1") == 200
    assert json.loads(gateway.run("devices", "list", "--json"))[0]["address"] == "alice@127.0.0.1"


@pytest.mark.scenario(15)
def test_a_reload_lets_another_domain_in_and_a_key_of_a_tenant_holds_at_once(gateway: Gateway) -> None:
    key = gateway.run("tenant", "api-key", "default", "--new").strip()
    status, reply = gateway.ask("/v1/auth/token", {"user_id": "bob", "api_key": key})
    assert status == 200
    gateway.token = reply["token"]
    assert gateway.device("127.0.0.2") == 422
    file = gateway.folder / "gateway.toml"
    file.write_text(file.read_text().replace('["127.0.0.1"]', '["127.0.0.1", "127.0.0.2"]'))
    assert "mobile.domains" in gateway.run("reload")
    assert gateway.device("127.0.0.2") == 200
    gateway.run("tenant", "api-key", "default", "--remove")
    assert gateway.ask("/v1/auth/token", {"user_id": "bob", "api_key": key})[0] == 401
