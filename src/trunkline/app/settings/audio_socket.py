"""``[[audio_sockets]]``: numbers whose callers talk to a program over a WebSocket."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from trunkline.app.settings.secret import Secret, SecretFile, Variable, one_place_at_most
from trunkline.app.settings.section import Section
from trunkline.app.settings.values import wrong
from trunkline.app.settings.web_address import as_socket_url

_number = re.compile(r"[0-9*#+]{1,32}\Z").match


def as_dialled(value: Any) -> str:
    """What is dialled, character by character."""
    if not isinstance(value, str) or not _number(value):
        raise wrong('what is dialled, in quotes, such as "9210"')
    return value


class AudioSocket(Section):
    """A program that hears and speaks: a voice bot, a transcriber, a translator."""

    number: Annotated[str, BeforeValidator(as_dialled)] = Field(
        description="What callers dial to reach it.", examples=['"9210"']
    )
    url: Annotated[str, BeforeValidator(as_socket_url)] = Field(
        description="Where the program listens: ws:// or wss://. Each call opens a connection of its own.",
        examples=['"wss://bot.example.com/call"'],
    )
    rate_hz: Literal[8000, 16000, 24000, 48000] = Field(
        default=16000, description="Samples a second of the sound, both ways: 8000, 16000, 24000 or 48000."
    )
    token: Secret = Field(default=None, description="Sent as `Authorization: Bearer` when it connects.")
    token_file: SecretFile = Field(default="", description="The file whose first line is the token.")
    token_env: Variable = Field(default="", description="The variable of the environment that is the token.")

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        one_place_at_most(self, "token")
        return self


def each_number_once(sockets: tuple[AudioSocket, ...]) -> tuple[AudioSocket, ...]:
    """A number reaches one program."""
    numbers = [one.number for one in sockets]
    twice = next((number for number in numbers if numbers.count(number) > 1), None)
    if twice is not None:
        raise wrong("a number of its own for each audio socket", seen=f"{twice} twice")
    return sockets
