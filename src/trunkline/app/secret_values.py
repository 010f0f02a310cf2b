"""Secrets of the settings as they are: from the settings' file, a file of their own or the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from trunkline.app.settings.section import Section
from trunkline.base.errors import ConfigError

SOURCE: Final = "settings"


def secret_of(one: Section, key: str, name: str = "password", *, called: str = "") -> str:
    """The secret ``name`` of a section that stands under ``key``; "" for none.

    What is given, or the first line of ``<name>_file``, or the variable ``<name>_env``. ``called`` is what messages
    call it, its name by default. Raises ConfigError.
    """
    given = getattr(one, name)
    if isinstance(given, SecretStr):
        return given.get_secret_value()
    word = called or name
    if variable := getattr(one, f"{name}_env"):
        return variable_value(variable, f"{key}.{name}_env", word)
    path = getattr(one, f"{name}_file")
    return _first_line(path, f"{key}.{name}_file", word) if path else ""


def _first_line(path: str, key: str, word: str) -> str:
    expected = f"a text file whose first line is the {word}"
    try:
        first = Path(path).expanduser().read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it is no UTF-8"
        raise ConfigError(SOURCE, key, path, expected, why) from None
    if not first:
        raise ConfigError(SOURCE, key, path, expected, "its first line is empty")
    return first


def variable_value(name: str, key: str, word: str) -> str:
    """What an environment variable holds; raises ConfigError when it is not set or empty."""
    found = os.environ.get(name, "")
    if not found:
        expected = f"an environment variable that holds the {word}"
        why = "it is empty" if name in os.environ else "it is not set for this program"
        raise ConfigError(SOURCE, key, name, expected, why)
    return found
