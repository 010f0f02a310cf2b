"""JSON without a space, for rows of the store and bodies of pushes: a call writes half a dozen of them."""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic_core import PydanticSerializationError, to_json

_encode: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False, default=str).encode


def json_bytes(value: Any) -> bytes:
    """UTF-8. Bytes of peers that are none, which texts carry as surrogates, stand as the escapes of RFC 8259 §7.

    What JSON does not know becomes its text.
    """
    try:
        return to_json(value)
    except PydanticSerializationError:  # a surrogate, or something that is no JSON
        return _encode(value).encode()


def json_text(value: Any) -> str:
    """The same as text; ``json.loads`` gives back what it was made of, surrogates included."""
    return json_bytes(value).decode()
