"""The measures of the mobile gateway, by the names that the command line knows. None of them is part of `all`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Final

from bench import mobile_devices, mobile_outage, mobile_polling, mobile_push
from bench.session import Session

Measure = Callable[[Session, argparse.Namespace], None]


def _push(session: Session, options: argparse.Namespace) -> None:
    mobile_push.measure(session, options.rates or mobile_push.RATES)


def _devices(session: Session, options: argparse.Namespace) -> None:
    mobile_devices.measure(session, options.devices or mobile_devices.DEVICES)


def _polling(session: Session, _options: argparse.Namespace) -> None:
    mobile_polling.measure(session)


def _outage(session: Session, options: argparse.Namespace) -> None:
    mobile_outage.measure(session, options.plots)


MEASURES: Final[Mapping[str, Measure]] = {
    "push": _push,
    "devices": _devices,
    "polling": _polling,
    "outage": _outage,
}
