"""What an extension may be called, and what passwords are worth. Pure; for the command line and handlers."""

from __future__ import annotations

import re
import secrets

from trunkline.model.extension import NUMBER_FORM, is_number

CONTACT_FORM = "a SIP URI such as sip:door@192.0.2.10:5060"
MAX_NAME = 100
MAX_PASSWORD = 128
MAX_CALLS = 100_000
_CONTACT = re.compile(r"sips?:[^\s<>\"@]+(@[^\s<>\"@]+)?", re.IGNORECASE)
# No 0/O, 1/l/I: these passwords are typed into phones.
_LETTERS = "abcdefghijkmnpqrstuvwxyz"
_ALPHABET = _LETTERS + _LETTERS.upper().replace("I", "").replace("O", "") + "23456789"
_COMMON = frozenset(
    {"password", "passwort", "secret", "admin", "changeme", "welcome", "letmein", "qwerty", "phone"}
)


def generate_password() -> str:
    """16 characters, 92 bits, in groups of four as people read them."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))
    return "-".join(groups)


def check_number(number: str) -> str:
    """What is wrong with it, or nothing."""
    return "" if is_number(number) else f"the number must be {NUMBER_FORM}"


def check_extension(number: str, password: str | None, name: str, contact: str | None) -> list[str]:
    """Everything that is wrong; empty when the extension may be added. Never repeats the password."""
    problems = [check_number(number)]
    if password is not None and not (0 < len(password) <= MAX_PASSWORD and password.isprintable()):
        problems.append(f"the password must have 1 to {MAX_PASSWORD} printable characters")
    if len(name) > MAX_NAME or not (name.isprintable() or not name):
        problems.append(f"the name must have at most {MAX_NAME} printable characters")
    if contact is not None and (len(contact) > 255 or not _CONTACT.fullmatch(contact)):
        problems.append(f"the contact must be {CONTACT_FORM}")
    return [problem for problem in problems if problem]


def check_calls(most: int | None, least: int = 0) -> str:
    """What is wrong with a limit of calls, or nothing."""
    if most is None or least <= most <= MAX_CALLS:
        return ""
    return f"the number of calls must be 0 (any number) to {MAX_CALLS}"


def weakness(number: str, password: str) -> str:
    """Why a given password is easily guessed, or nothing. Scanners try exactly these."""
    lower = password.lower()
    if number.lower() in lower or lower in number.lower():
        return "it contains the extension's own number"
    if len(password) < 10:
        return f"it has {len(password)} characters; 10 or more are safer"
    if lower.rstrip("0123456789!.") in _COMMON:
        return "it is one of the first that attackers try"
    if len(set(password)) < 5:
        return "it repeats the same few characters"
    if password.isdigit():
        return "it has digits alone"
    return ""


def weak_warning(number: str, password: str) -> tuple[str, ...]:
    """The line for ``ExtensionAdded.warnings``; empty for a good password."""
    why = weakness(number, password)
    return (f"the password of {number} is weak: {why}",) if why else ()
