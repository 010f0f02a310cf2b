"""``python -m fuzz``: fuzz the targets for some seconds each, and keep what was found."""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from random import Random, SystemRandom

from fuzz.loop import Finding, Outcome, attempt, fuzz
from fuzz.running import fuzz_running
from fuzz.targets import TARGETS

FOUND = Path(__file__).parent / "found"
RUNNING = "running"  # a whole exchange on loopback sockets; no target that one input could be replayed to


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description="Fuzz what parses bytes of the network.")
    parser.add_argument("target", nargs="*", choices=[*TARGETS, RUNNING, []], help="default: all")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each target")
    parser.add_argument("--seed", type=int, help="repeat a run")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="feed one input to the targets")
    options = parser.parse_args()
    names = options.target or [*TARGETS, RUNNING]
    if options.replay:
        return _replay(names, options.replay.read_bytes())
    seed = SystemRandom().randrange(2**32) if options.seed is None else options.seed
    failures = [name for name in names if not _fuzz(name, seed, options.seconds)]
    return 1 if failures else 0


def _fuzz(name: str, seed: int, seconds: float) -> bool:
    outcome = _run(name, Random(f"{seed} {name}"), seconds)
    said = f"{name:<12} {outcome.tried:>8} inputs, {outcome.accepted:>7} accepted (--seed {seed})"
    if outcome.finding is None:
        _say(said)
        return True
    _say(f"{said}\n  {outcome.finding.problem}\n  kept as {_keep(name, outcome.finding)}")
    return False


def _run(name: str, dice: Random, seconds: float) -> Outcome:
    if name == RUNNING:
        return fuzz_running(dice, seconds=seconds)
    return fuzz(TARGETS[name], dice, seconds=seconds)


def _keep(name: str, finding: Finding) -> Path:
    FOUND.mkdir(exist_ok=True)
    path = FOUND / f"{name}-{hashlib.sha256(finding.data).hexdigest()[:12]}"
    path.write_bytes(finding.data)
    return path


def _replay(names: list[str], data: bytes) -> int:
    problems = {name: attempt(TARGETS[name], data) for name in names if name in TARGETS}
    for name, problem in problems.items():
        _say(f"{name:<12} {'refused' if problem is None else problem or 'accepted'}")
    return 1 if any(problems.values()) else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
