"""The data folder: where it is and why, and the key inside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trunkline.base.errors import ConfigError

KEY_BYTES = 32
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


def find_data_folder(given: Path | None, env: Mapping[str, str] = os.environ) -> DataFolder:
    """``--data``, else $TRUNKLINE_DATA, else ./data when it exists, else the user's XDG data folder."""
    if given is not None:
        return DataFolder(given.expanduser().absolute(), "--data")
    if named := env.get("TRUNKLINE_DATA"):
        return DataFolder(Path(named).expanduser().absolute(), "$TRUNKLINE_DATA")
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


def load_or_create_key(path: Path) -> bytes:
    """The 32 secret bytes in ``<path>/key``, made on first use (0600). Raises ConfigError when unusable."""
    file = path / "key"
    if not file.exists():
        _write_key(file)
    key = file.read_bytes()
    if len(key) != KEY_BYTES:
        expected = f"a file of {KEY_BYTES} bytes; it encrypts the passwords, so bring back the original"
        raise ConfigError(str(file), "key", f"{len(key)} bytes", expected)
    if file.stat().st_mode & 0o077:
        mode = f"mode {file.stat().st_mode & 0o777:o}"
        raise ConfigError(
            str(file), "key", mode, "mode 600, readable by its owner alone", f"chmod 600 {file}"
        )
    return key


def _write_key(file: Path) -> None:
    """Whole or not at all: a half-written key would lock every password away."""
    fresh = file.with_name(f"key.{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, os.urandom(KEY_BYTES))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(fresh, file)  # unlike rename, this never replaces a key that another process just made
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        fresh.replace(file)
    fresh.unlink(missing_ok=True)
