"""What telephones of a country sound like: ringback, busy and the other signals of its network.

The cadences and frequencies are those of ITU-T E.180, supplement 2, "Various tones used in national networks", for
public networks. Where a network modulates a tone with 15 to 25 Hz, the two tones stand here that sound the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, get_args

from trunkline.media.sound_commands import ToneStep

SignalName = Literal["ringback", "busy", "congestion", "dial", "waiting", "special"]
"""``waiting`` is heard in a call when another one comes in; ``special`` before an announcement why a call failed."""

SIGNALS: Final = get_args(SignalName)

LEVEL_DBOV: Final = -16.0
"""Of a signal as a whole: about -10 dBm0, the middle of what ITU-T E.180 recommends."""

_THREE: Final = "950/330 1400/330 1800/330 0/1000"
"""The special information tone of ITU-T E.180, section 5."""


@dataclass(frozen=True, slots=True)
class Country:
    """The signals of one country. ``425/1000 0/4000``: 425 Hz for a second, silence for four; ``350+440``: for ever."""

    ringback: str
    busy: str
    congestion: str
    dial: str
    waiting: str
    special: str = _THREE


_BRITISH: Final = "400+450/400 0/200 400+450/400 0/2000"

COUNTRIES: Final = {
    "AT": Country("420/1000 0/5000", "420/400 0/400", "420/200 0/200", "420", "420/40 0/1960",
                  "950/330 1450/330 1850/330 0/1000"),
    "AU": Country("413+438/400 0/200 413+438/400 0/2000", "425/375 0/375", "425/375 0/375", "413+438",
                  "425/200 0/200 425/200 0/4400", "425/2500 0/500"),
    "BE": Country("425/1000 0/3000", "425/500 0/500", "425/167 0/167", "425", "1400/175 0/175 1400/175 0/3500",
                  "900/330 1400/330 1800/330 0/1000"),
    "BR": Country("425/1000 0/4000", "425/250 0/250", "425/250 0/250 425/750 0/250", "425", "425/50 0/1000"),
    "CA": Country("440+480/2000 0/4000", "480+620/500 0/500", "480+620/250 0/250", "350+440", "440/300 0/9700",
                  "914/274 1371/274 1777/380 0/1000"),
    "CH": Country("425/1000 0/4000", "425/500 0/500", "425/200 0/200", "425", "425/200 0/200 425/200 0/4000"),
    "CN": Country("450/1000 0/4000", "450/350 0/350", "450/700 0/700", "450", "450/400 0/4000",
                  "450/100 0/100 450/100 0/100 450/100 0/100 450/400 0/400"),
    "CZ": Country("425/1000 0/4000", "425/330 0/330", "425/165 0/165", "425/330 0/330 425/660 0/660",
                  "425/330 0/9000", "950/330 0/30 1400/330 0/30 1800/330 0/1000"),
    "DE": Country("425/1000 0/4000", "425/480 0/480", "425/240 0/240", "425", "425/200 0/200 425/200 0/5000",
                  "900/330 1400/330 1800/330 0/1000"),
    "DK": Country("425/1000 0/4000", "425/500 0/500", "425/200 0/200", "425", "425/200 0/600 425/200 0/3000"),
    "ES": Country("425/1500 0/3000", "425/200 0/200", "425/200 0/200 425/200 0/200 425/200 0/600", "425",
                  "425/175 0/175 425/175 0/3500"),
    "FI": Country("425/1000 0/4000", "425/300 0/300", "425/200 0/200", "425", "425/150 0/150 425/150 0/8000"),
    "FR": Country("440/1500 0/3500", "440/500 0/500", "440/250 0/250", "440", "440/300 0/9700"),
    "GB": Country(_BRITISH, "400/375 0/375", "400/400 0/350 400/225 0/525", "350+440", "400/100 0/4000",
                  "950/330 0/15 1400/330 0/15 1800/330 0/1000"),
    "GR": Country("425/1000 0/4000", "425/300 0/300", "425/200 0/200", "425/200 0/300 425/700 0/800",
                  "425/150 0/150 425/150 0/8000"),
    "HU": Country("425/1250 0/3750", "425/300 0/300", "425/300 0/300", "425", "425/40 0/1960"),
    "IE": Country(_BRITISH, "425/500 0/500", "425/250 0/250", "425", "425/180 0/200 425/200 0/4500"),
    "IL": Country("414/1000 0/3000", "414/500 0/500", "414/250 0/250", "414", "414/500 0/10000",
                  "1000/330 1400/330 1800/330 0/1000"),
    "IN": Country("375+425/400 0/200 375+425/400 0/2000", "400/750 0/750", "400/250 0/250", "375+425",
                  "400/200 0/100 400/200 0/7500"),
    "IT": Country("425/1000 0/4000", "425/500 0/500", "425/200 0/200", "425/200 0/200 425/600 0/1000",
                  "425/400 0/100 425/250 0/100 425/150 0/14000"),
    "JP": Country("384+416/1000 0/2000", "400/500 0/500", "400/500 0/500", "400", "384+416/500 0/8000"),
    "KR": Country("440+480/1000 0/2000", "480+620/500 0/500", "480+620/300 0/200", "350+440",
                  "350+440/250 0/250 350+440/250 0/3250"),
    "MX": Country("425/1000 0/4000", "425/250 0/250", "425/250 0/250", "425", "425/200 0/600 425/200 0/10000"),
    "NL": Country("425/1000 0/4000", "425/500 0/500", "425/250 0/250", "425", "425/500 0/9500"),
    "NO": Country("425/1000 0/4000", "425/500 0/500", "425/200 0/200", "425", "425/200 0/600 425/200 0/10000"),
    "NZ": Country(_BRITISH, "400/500 0/500", "400/250 0/250", "400", "400/200 0/3000",
                  "400/750 0/100 400/750 0/100 400/750 0/100 400/750 0/400"),
    "PL": Country("425/1000 0/4000", "425/500 0/500", "425/500 0/500", "425", "425/150 0/150 425/150 0/4000"),
    "PT": Country("425/1000 0/5000", "425/500 0/500", "425/200 0/200", "425", "425/200 0/200 425/200 0/5000"),
    "RU": Country("425/800 0/3200", "425/350 0/350", "425/175 0/175", "425", "425/200 0/5000"),
    "SE": Country("425/1000 0/5000", "425/250 0/250", "425/250 0/750", "425", "425/200 0/500 425/200 0/9100",
                  "950/332 0/24 1400/332 0/24 1800/332 0/1000"),
    "TR": Country("450/2000 0/4000", "450/500 0/500", "450/200 0/200 450/200 0/200 450/200 0/200 450/600 0/200",
                  "450", "450/200 0/600 450/200 0/8000", "950/300 1400/300 1800/300 0/1000"),
    "US": Country("440+480/2000 0/4000", "480+620/500 0/500", "480+620/250 0/250", "350+440", "440/300 0/9700",
                  "914/274 1371/274 1777/380 0/1000"),
    "ZA": Country("383+417/400 0/200 383+417/400 0/2000", "400/500 0/500", "400/250 0/250", "383+417",
                  "383+417/400 0/4000"),
}  # fmt: skip
"""By ISO 3166-1 code."""


def signal_of(country: str, signal: SignalName) -> list[ToneStep]:
    """The steps of a country's signal, to be repeated; KeyError for a country that is not in ``COUNTRIES``."""
    return list(_steps(getattr(COUNTRIES[country.upper()], signal)))


@cache
def _steps(text: str) -> tuple[ToneStep, ...]:
    return tuple(_step(one) for one in text.split())


def _step(text: str) -> ToneStep:
    tones, _, duration_ms = text.partition("/")
    frequencies = [float(one) for one in tones.split("+") if one != "0"]
    # Two tones at once are twice as strong as each: 3 dB.
    level_dbov = LEVEL_DBOV - (3.0 if len(frequencies) > 1 else 0.0)
    return ToneStep(frequencies, int(duration_ms or 0), level_dbov)
