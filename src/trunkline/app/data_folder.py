"""The data folder: where it is, and why it is that one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trunkline.base.errors import ConfigError

SOCKET_NAME = "control.sock"


@dataclass(frozen=True, slots=True)
class DataFolder:
    """An absolute ``path`` and, for people, ``why`` it is this one."""

    path: Path
    why: str

    @property
    def socket(self) -> Path:
        """The control socket."""
        return self.path / SOCKET_NAME


def find_data_folder(
    given: Path | None, env: Mapping[str, str] = os.environ, in_settings: str = ""
) -> DataFolder:
    """``--data``, else $TRUNKLINE_DATA, else what the settings say, ./data when it exists, or the user's own."""
    if given is not None:
        return DataFolder(given.expanduser().absolute(), "--data")
    if named := env.get("TRUNKLINE_DATA"):
        return DataFolder(Path(named).expanduser().absolute(), "$TRUNKLINE_DATA")
    if in_settings:
        return DataFolder(Path(in_settings).expanduser().absolute(), "data in the settings")
    local = Path("data").absolute()
    if local.is_dir():
        return DataFolder(local, "./data exists")
    # XDG Base Directory Specification: a relative $XDG_DATA_HOME is invalid and ignored.
    home = Path(env.get("XDG_DATA_HOME", ""))
    base = home if home.is_absolute() else Path.home() / ".local" / "share"
    return DataFolder(base / "trunkline", "the user's data folder")


def create_data_folder(path: Path) -> bool:
    """Make the folder for its owner alone (0700); True when it is new. Raises ConfigError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700)
    except FileExistsError:
        if path.is_dir():
            return False
        raise ConfigError("command line", "--data", str(path), "a folder, and this is a file") from None
    except OSError as error:
        raise ConfigError(
            "command line", "--data", str(path), f"a folder we may create ({error.strerror})"
        ) from None
    return True
