"""What bodies are made of: strict in type, tolerant of fields that we do not know."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, field_validator
from pydantic.config import JsonDict
from starlette.responses import Response

MAX_SDP = 16_384


class Body(BaseModel):
    """A request's body. Old apps send more than we read."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """Nothing: passwords and tokens are in it."""
        return []


class Reply(BaseModel):
    """A reply's body: exactly the fields that are set, in the order in which they are declared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _readable(cls, value: Any) -> Any:
        return readable(value) if isinstance(value, str) else value

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """Nothing, as above: tokens and keys are told once."""
        return []


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _whole(value: Any) -> Any:
    # JSON knows no integers: 5060.0 is 5060.
    return int(value) if isinstance(value, float) and value.is_integer() else value


_ONE_LINE = r"^[^\x00-\x1f\x7f]*$"  # a line break in a name would begin a header of its own in SIP or HTTP
Line = Annotated[str, StringConstraints(max_length=255, pattern=_ONE_LINE)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=_ONE_LINE)]
Long = Annotated[str, StringConstraints(max_length=4096, pattern=_ONE_LINE)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=_ONE_LINE)]
Sdp = Annotated[str, StringConstraints(min_length=1, max_length=MAX_SDP)]
Lower = BeforeValidator(_lower)
Whole = BeforeValidator(_whole)
Port = Annotated[int, Field(ge=0, le=65535), Whole]


def one_of(*kinds: tuple[str, ...]) -> JsonDict:
    """For ``json_schema_extra``: at least the fields of one kind are there."""
    return {
        "anyOf": [
            {
                "required": list(kind),
                "properties": {name: {"type": "string", "minLength": 1} for name in kind},
            }
            for kind in kinds
        ]
    }


def told(reply: Reply, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """``reply`` as compact JSON."""
    body = reply.model_dump_json(exclude_unset=True)
    return Response(body, status, headers=headers, media_type="application/json")


def empty(status: int = 200) -> Response:
    """A reply without a body."""
    return Response(status_code=status)


def readable(text: str) -> str:
    """``text`` of a peer, whose bytes that are no UTF-8 become U+FFFD: JSON cannot carry them."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def rfc3339(at: float) -> str:
    """A Unix second as text (RFC 3339), in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat()


def rfc3339_or_none(at: float) -> str | None:
    """As ``rfc3339``; None for 0, which is when a thing has not happened."""
    return rfc3339(at) if at else None
