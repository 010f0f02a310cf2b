"""ffmpeg as another codec: sound in, sound out."""

from __future__ import annotations

import subprocess

from tests.peers.programs import program


def ffmpeg(arguments: str, data: bytes) -> bytes:
    """What ``ffmpeg`` makes of ``data`` with these arguments, which read ``pipe:0`` and write ``pipe:1``."""
    command = [program("ffmpeg"), "-v", "error", *arguments.split()]
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True, timeout=60).stdout
