"""The container image without a container engine: each step of its file is done, or found to be doable, by itself."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.ports import free_ports
from tests.peers.programs import ROOT, trunkline_program

FILE = (ROOT / "deploy/Dockerfile").read_text()
PUBLISHED = ROOT / "tests/vectors/published/gateway.toml"
OURS = re.compile(r"(?<![\w/])scripts/[\w.-]*\w")


def steps() -> list[list[str]]:
    """The words of each instruction."""
    text = FILE.replace("\\\n", " ")
    return [shlex.split(line) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def told(instruction: str) -> list[str]:
    """The last one of a kind, which is the one that holds."""
    return next(step[1:] for step in reversed(steps()) if step[0] == instruction)


def command(instruction: str) -> list[str]:
    """What is written as a JSON list."""
    line = next(one for one in reversed(FILE.splitlines()) if one.startswith(instruction))
    found = json.loads(line[line.index("[") :])
    assert isinstance(found, list)
    return found


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """What COPY brings into the first stage, in its order; a RUN finds the scripts that it names."""
    folder = tmp_path / "src"
    folder.mkdir()
    for step in steps():
        if step[0] == "COPY" and not step[1].startswith("--from"):
            *sources, target = step[1:]
            for source in sources:
                _copy(
                    source, folder / target / Path(source).name if target.endswith("/") else folder / target
                )
        if step[0] == "RUN":
            for script in OURS.findall(" ".join(step)):
                assert os.access(folder / script, os.X_OK), f"{script} is run before it is copied"
    return folder


def _copy(source: str, target: Path) -> None:
    """As an engine does, without what .dockerignore names."""
    if (ROOT / source).is_dir():
        shutil.copytree(
            ROOT / source, target, ignore=shutil.ignore_patterns("target", "__pycache__", "*.so", "*.wav")
        )
    else:
        target.parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / source, target)


def test_every_script_that_is_run_finds_what_it_runs(built: Path) -> None:
    waiting = {script for step in steps() if step[0] == "RUN" for script in OURS.findall(" ".join(step))}
    seen: set[str] = set()
    while waiting:
        script = waiting.pop()
        assert (built / script).exists(), f"{script} is not in the image"
        seen.add(script)
        waiting |= set(OURS.findall((built / script).read_text())) - seen
    assert {"scripts/setup", "scripts/make-release", "scripts/install-engine"} <= seen
    for name in ("deploy/requirements.lock", "requirements.lock", "pyproject.toml", "rust/Cargo.lock"):
        assert (built / name).exists(), name


def test_the_runtime_stage_is_no_root_and_keeps_its_state_in_one_volume() -> None:
    assert told("USER") == ["trunkline"]
    assert told("VOLUME") == told("WORKDIR") == ["/data"]
    assert "8080/tcp" in told("EXPOSE")
    assert "TRUNKLINE_DATA=/data" in told("ENV")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path, int]]:
    """``docker run IMAGE --config /data/gateway.toml``, with the published file in the volume."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    sip, api = free_ports(2), free_ports(1)
    text = PUBLISHED.read_text().replace("/data/", f"{data}/")
    text = text.replace("port = 8080", f"port = {api}").replace("local_port = 5060", f"local_port = {sip}")
    text = text.replace('host = "0.0.0.0"', 'host = "127.0.0.1"')
    (data / "gateway.toml").write_text(text + '[metrics]\nlisten = "off"\n')
    entry = [trunkline_program(), *command("ENTRYPOINT")[1:], "--config", str(data / "gateway.toml")]
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(data),
        "TRUNKLINE_DATA": str(data),
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen(
        entry, cwd=data, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if '"event":"running"' in line:
                break
        yield process, data, api
    finally:
        process.kill()
        process.communicate(timeout=60)


def test_the_entry_point_takes_a_gateways_file(running: tuple[subprocess.Popen[str], Path, int]) -> None:
    process, data, api = running
    assert process.poll() is None
    assert (data / "trunkline.db").exists()
    health = subprocess.run(
        [trunkline_program(), *command("HEALTHCHECK")[1:]],
        env={"PATH": os.environ["PATH"], "HOME": str(data), "TRUNKLINE_DATA": str(data)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert health.returncode == 0, health.stderr
    assert json.loads(health.stdout)["state"] == "running"
    with urllib.request.urlopen(f"http://127.0.0.1:{api}/health", timeout=60) as reply:
        assert reply.read() == b"ok"
    process.send_signal(getattr(signal, told("STOPSIGNAL")[0]))
    assert process.wait(timeout=60) == 0


def test_the_compose_file_runs_the_image_as_it_is_meant() -> None:
    import yaml  # type: ignore[import-untyped]

    whole = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
    gateway, caddy = whole["services"]["gateway"], whole["services"]["caddy"]
    assert (ROOT / gateway["build"]["dockerfile"]).exists()
    assert gateway["command"] == ["--config", "/data/gateway.toml"]
    assert gateway["volumes"] == ["./gateway:/data"]
    place = caddy["volumes"][0].split(":")[0]
    assert (ROOT / place).exists()
    assert {name.split(":")[0] for name in caddy["volumes"][1:]} == set(whole["volumes"])
    assert set(caddy["environment"]) == set(re.findall(r"\{\$(\w+)\}", (ROOT / place).read_text()))
