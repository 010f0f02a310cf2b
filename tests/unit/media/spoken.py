"""Speech through codecs and over lossy ways, and how well it is understood afterwards (PESQ, ITU-T P.862)."""

from __future__ import annotations

import random
import wave
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from pesq import pesq  # type: ignore[import-untyped]

import trunkline
from trunkline._native import Codec, Rates

RATE_HZ = 8000
FRAME_MS = 20
PROMPTS = Path(trunkline.__file__).parent / "prompts" / "en"
SENTENCES = ("enter-pin", "not-registered", "no-answer", "busy")


def speech() -> bytes:
    """About ten seconds of somebody who speaks: samples of 8000 Hz, 16 bits."""
    sound = b""
    for name in SENTENCES:
        with wave.open(str(PROMPTS / f"{name}.wav")) as file:
            assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (RATE_HZ, 2, 1)
            sound += file.readframes(file.getnframes())
    return sound


def score(heard: bytes) -> float:
    """How ``speech()`` sounds after its way: -0.5 (not to be understood) to 4.5 (as it was), narrow band."""
    said = np.frombuffer(speech(), dtype=np.int16)
    got = np.frombuffer(heard, dtype=np.int16)
    length = min(len(said), len(got))
    return float(pesq(RATE_HZ, said[:length], got[:length], "nb"))


def through(*codecs: str) -> bytes:
    """Speech after one codec after the other, each at its own rate."""
    sound, rate = speech(), RATE_HZ
    for name in codecs:
        codec = Codec(name)
        sound = b"".join(codec.decode(payload) for payload in _payloads(codec, sound, rate))
        rate = codec.rate_hz
    return Rates(rate, RATE_HZ).convert(sound)


def over_losses(name: str, percent: int, *, seed: int = 1, repair: bool = True, fec: bool = False) -> bytes:
    """Speech of which ``percent`` of the packets are lost; without ``repair``, silence is in their place."""
    codec, chance = Codec(name, fec=fec), random.Random(seed)  # noqa: S311  (the same losses each time)
    codec.set_loss(percent)
    payloads = list(_payloads(codec, speech(), RATE_HZ))
    came = [payload if chance.random() * 100 >= percent else None for payload in payloads]
    samples = codec.rate_hz * FRAME_MS // 1000
    heard = []
    for payload, following in zip(came, [*came[1:], None], strict=True):
        if payload is not None:
            heard.append(codec.decode(payload))
        else:
            heard.append(codec.conceal(samples, following if fec else None) if repair else bytes(2 * samples))
    return Rates(codec.rate_hz, RATE_HZ).convert(b"".join(heard))


def _payloads(codec: Codec, sound: bytes, rate_hz: int) -> Iterable[bytes]:
    sound = Rates(rate_hz, codec.rate_hz).convert(sound)
    octets = 2 * codec.rate_hz * FRAME_MS // 1000
    return (codec.encode(sound[at : at + octets]) for at in range(0, len(sound) - octets + 1, octets))
