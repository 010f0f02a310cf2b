"""Secrets in the settings: in the file, in a file of their own, or in a variable of the environment.

A secret ``password`` has the keys ``password``, ``password_file`` and ``password_env``, of which one at most is given;
``app.secret_values`` reads what is meant.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr

from trunkline.app.settings.section import Section
from trunkline.app.settings.values import as_file, wrong

VARIABLE = r"^([A-Za-z_][A-Za-z0-9_]*)?$"
PLACES = ("", "_file", "_env")


def as_secret(value: Any) -> Any:
    """A secret, never shown."""
    if isinstance(value, SecretStr):
        return value
    if not isinstance(value, str):
        raise wrong("a text in quotes")
    return SecretStr(value)


Secret = Annotated[SecretStr | None, BeforeValidator(as_secret)]
SecretFile = Annotated[str, BeforeValidator(as_file)]
Variable = Annotated[str, Field(pattern=VARIABLE)]


def places_of(one: Section, name: str) -> list[str]:
    """Which of the keys of a secret are given."""
    values = ((f"{name}{place}", getattr(one, f"{name}{place}")) for place in PLACES)
    return [key for key, value in values if value is not None and value != ""]


def one_place_at_most(one: Section, name: str) -> None:
    """Raises PydanticCustomError when a secret is given twice."""
    if len(given := places_of(one, name)) > 1:
        keys = ", ".join(f"{name}{place}" for place in PLACES)
        raise wrong(f"one of {keys}", seen=" and ".join(given), at=given[-1])
