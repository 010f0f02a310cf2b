"""The layering of ARCHITECTURE.md: import-linter's contracts hold, can fail, and the engine has one door."""

from __future__ import annotations

import ast
import functools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / ".importlinter"
ENGINE = "trunkline._native._engine"
_ABOVE_PROTO = [
    "app", "api", "pbx", "mobile", "trunking", "registrar", "message", "call", "push", "ua", "media", "net", "store",
]  # fmt: skip
LAYERS = [*_ABOVE_PROTO, "proto", "_native", "model", "base"]


def imported_names(source: str, module: str, is_package: bool) -> Iterator[str]:
    """Every dotted name that ``source`` may import, relative imports resolved against ``module``."""
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: 1 - node.level or None] if node.level else []
            origin = ".".join([*parents, *([node.module] if node.module else [])])
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node.func) in {"import_module", "__import__"}:
            yield from (str(each.value) for each in node.args if isinstance(each, ast.Constant))


def _called(function: ast.expr) -> str:
    """The last name of what is called."""
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


@functools.cache
def imports_below(folder: Path) -> dict[str, set[str]]:
    """Each module below ``folder`` with every dotted name that it may import."""
    found = {}
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        module = ".".join(parts[:-1] if is_package else parts)
        found[module] = set(imported_names(path.read_text(), module, is_package))
    return found


def modules_importing(wanted: str, folder: Path) -> set[str]:
    """The modules below ``folder`` that import ``wanted`` or something inside it."""
    return {
        module
        for module, names in imports_below(folder).items()
        if any(name == wanted or name.startswith(wanted + ".") for name in names)
    }


def run_contracts(folder: Path) -> subprocess.CompletedProcess[str]:
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", code, "--config", str(CONTRACTS), "--no-cache"]
    environment = os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def skeleton(tmp_path: Path) -> Path:
    """A package of the same layers, all empty, to break on purpose."""
    for name in ("", *LAYERS, "proto/sip", "proto/sdp"):
        package = tmp_path / "trunkline" / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
    return tmp_path


def test_contracts_hold() -> None:
    result = run_contracts(ROOT / "src")
    assert result.returncode == 0, result.stdout + result.stderr


def test_contracts_accept_downward_imports(skeleton: Path) -> None:
    (skeleton / "trunkline/call/bridge.py").write_text(
        "import trunkline.ua, trunkline.media, trunkline.net\n"
    )
    result = run_contracts(skeleton)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("importer", "statement", "contract"),
    [
        ("base", "import trunkline.model", "Each layer"),
        ("net", "from trunkline.ua import endpoint", "Each layer"),
        ("ua", "import trunkline.media", "Each layer"),
        ("registrar", "import trunkline.pbx", "Each layer"),
        ("proto/sip", "import trunkline.proto.sdp", "do not know each other"),
        ("proto/sip", "import time", "pure"),
        ("proto/sdp", "from socket import AF_INET", "pure"),
        ("net", "import trunkline._native", "Only media"),
        ("proto/sdp", "import trunkline._native", "Only media"),
    ],
)
def test_contracts_refuse(skeleton: Path, importer: str, statement: str, contract: str) -> None:
    (skeleton / "trunkline/ua/endpoint.py").write_text("")
    (skeleton / "trunkline" / importer / "guilty.py").write_text(statement + "\n")
    result = run_contracts(skeleton)
    broken = [line for line in result.stdout.splitlines() if "BROKEN" in line]
    assert result.returncode == 1, result.stdout + result.stderr
    assert any(contract in line for line in broken), broken


def test_contracts_refuse_a_layer_that_nobody_declared(skeleton: Path) -> None:
    (skeleton / "trunkline/stowaway").mkdir()
    (skeleton / "trunkline/stowaway/__init__.py").write_text("")
    assert "stowaway" in run_contracts(skeleton).stdout


def test_only_native_imports_the_compiled_module() -> None:
    importers = modules_importing(ENGINE, ROOT / "src")
    assert importers, "nothing imports the engine: the rule would hold for nothing"
    assert {module for module in importers if not module.startswith("trunkline._native")} == set()


def test_only_media_and_the_sip_parser_import_native() -> None:
    importers = modules_importing("trunkline._native", ROOT / "src")
    allowed = ("trunkline._native", "trunkline.media", "trunkline.proto.sip.message")
    assert {module for module in importers if not module.startswith(allowed)} == set()


@pytest.mark.parametrize("folder", ["bench", "examples", "fuzz"])
def test_nothing_outside_the_package_goes_round_media(folder: str) -> None:
    assert modules_importing("trunkline._native", ROOT / folder) == set()


@pytest.mark.parametrize(
    ("source", "module", "is_package"),
    [
        ("import trunkline._native._engine", "trunkline.net", True),
        ("from trunkline._native import _engine", "trunkline.net.udp", False),
        ("from .._native import _engine", "trunkline.net.udp", False),
        ("from ._engine import Engine", "trunkline._native", True),
        ("from . import _engine", "trunkline._native.face", False),
        ("importlib.import_module('trunkline._native._engine')", "trunkline.net", True),
    ],
)
def test_every_way_to_import_the_engine_is_seen(source: str, module: str, is_package: bool) -> None:
    assert ENGINE in set(imported_names(source, module, is_package))
