"""What a start imports: no library that this start does not need."""

from __future__ import annotations

import subprocess
import sys

# For the API of apps, for push services, for names, for an older store.
FOR_SOME = {"aiohttp", "alembic", "dns", "fastapi", "h2", "joserfc", "uvicorn"}
FOR_EVERY_EXCHANGE = {
    "asyncio",
    "cryptography",
    "pydantic",
    "sqlalchemy",
    "structlog",
    "uvloop",
    "websockets",
}
PRINT_LOADED = "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules}, sep='\\n')"
VERSION = """
from trunkline.app.cli import app
app(["version"], standalone_mode=False)
"""


def loaded_by(program: str) -> set[str]:
    """The packages that a program of its own has imported at its end."""
    done = subprocess.run(
        [sys.executable, "-c", program + PRINT_LOADED], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.splitlines())


def test_a_command_imports_none_of_the_exchange() -> None:
    loaded = loaded_by(VERSION)
    assert "typer" in loaded
    assert not loaded & (FOR_SOME | FOR_EVERY_EXCHANGE)


def test_an_exchange_imports_only_what_every_exchange_needs() -> None:
    loaded = loaded_by("import trunkline.app.wiring")
    assert "sqlalchemy" in loaded
    assert not loaded & FOR_SOME
