"""Draw docs/images/overview.svg: the layers as .importlinter has them, beside the planes of a running exchange.

``python scripts/picture.py`` prints it; ``make docs`` keeps the file.
"""

from __future__ import annotations

import configparser
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parents[1]
LEFT, WIDTH, TOP, STEP = 30, 390, 52, 44

# What stands beside a layer's name; short where siblings share the line.
SAYS: Final = {
    "app": "settings, wiring, commands, logs, metrics",
    "pbx": "where a number leads",
    "api": "REST and live events for apps and backends",
    "mobile": "apps that sleep",
    "push": "APNs, FCM, Web Push: one notification, its fate",
    "trunking": "trunks: prefixes, reachability",
    "message": "texts, kept for who is away",
    "registrar": "AORs, bindings, the flows they came by",
    "call": "legs, forks, bridges, records: the B2BUA",
    "ua": "endpoint, sessions",
    "media": "commands, SDP",
    "net": "UDP, TCP, TLS, WebSocket, DNS",
    "store": "repositories, schema, the writer thread",
    "proto": "SIP and SDP without I/O",
    "_native": "the compiled engine and scanner",
    "model": "tenant, extension, binding, call record",
    "base": "errors, stories, timers, ids, messages",
}
KIND: Final = {"_native": "rust", "store": "store"}
STYLE: Final = """\
    .page { fill: #ffffff; stroke: #d0d7de; }
    .box { fill: #f6f8fa; stroke: #8c959f; }
    .python { fill: #ddf4ff; stroke: #54aeff; }
    .rust { fill: #fff1e5; stroke: #e16f24; }
    .store { fill: #dafbe1; stroke: #4ac26b; }
    text { fill: #1f2328; }
    .quiet { fill: #59636e; font-size: 12px; }
    .head { font-weight: 600; font-size: 15px; }
    .line { stroke: #59636e; stroke-width: 1.5; fill: none; }
    .tip { fill: #59636e; }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117; stroke: #3d444d; }
      .box { fill: #151b23; stroke: #656c76; }
      .python { fill: #0c2d4a; stroke: #388bfd; }
      .rust { fill: #3d1f0a; stroke: #db6d28; }
      .store { fill: #0f2f1b; stroke: #3fb950; }
      text { fill: #f0f6fc; }
      .quiet { fill: #9198a1; }
      .line { stroke: #9198a1; }
      .tip { fill: #9198a1; }
    }"""


def layers(root: Path = ROOT) -> list[list[str]]:
    """The layers that exist, from the top; siblings share a row."""
    contracts = configparser.ConfigParser()
    contracts.read_string((root / ".importlinter").read_text())
    lines = contracts["importlinter:contract:layers"]["layers"].split("\n")
    rows = [[name.strip() for name in line.split("|")] for line in lines if line.strip()]
    return [here for row in rows if (here := [name for name in row if name[0] != "("])]


def picture() -> str:
    """The whole SVG."""
    rows = layers()
    height = max(560, TOP + len(rows) * STEP + 16)
    names = ", ".join(" beside ".join(row) for row in rows)
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 {height}" role="img"'
                ' aria-labelledby="title desc"'
                ' font-family="system-ui, -apple-system, \'Segoe UI\', Helvetica, Arial, sans-serif" font-size="14">'
            ),
            '  <title id="title">Trunkline: its layers and its planes</title>',
            (
                f'  <desc id="desc">Left: the layers of the source, each importing only what stands below it: {names}.'
                " Right: one process. Phones and web clients speak SIP with the signalling plane, Python on one"
                " event loop, and RTP or SRTP with the media plane, Rust threads, which relays, encrypts, converts,"
                " mixes and records, and hands plain calls to a program in the kernel; an rtpengine cluster may relay"
                " beside it. The signalling plane sends commands to the media plane and gets events back. A writer"
                " thread stores bindings, calls and records in SQLite. The"
                " command line asks over a Unix socket, Prometheus and systemd read metrics and health.</desc>"
            ),
            f"  <style>\n{STYLE}\n  </style>",
            (
                '  <defs>\n    <marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
                ' orient="auto-start-reverse">\n      <path class="tip" d="M0 0 8 4 0 8z"/>\n    </marker>\n  </defs>'
            ),
            f'  <rect class="page" x="0.5" y="0.5" width="959" height="{height - 1}" rx="8"/>',
            *_layers(rows),
            *_planes(),
            "</svg>",
        ]
    )


def _layers(rows: list[list[str]]) -> Iterator[str]:
    yield _text(LEFT, 36, "Layers", "head")
    yield _text(LEFT + 64, 36, "each imports only what stands below it", "quiet")
    for number, row in enumerate(rows):
        top, width = TOP + number * STEP, (WIDTH - 6 * (len(row) - 1)) // len(row)
        for place, name in enumerate(row):
            left = LEFT + place * (width + 6)
            yield _box(KIND.get(name, "python"), left, top, width, STEP - 6, 4)
            yield _text(left + 14, top + 24, name)
            yield _text(left + (100 if len(row) == 1 else 68), top + 24, SAYS[name], "quiet")


def _planes() -> Iterator[str]:
    yield _text(460, 36, "Planes", "head")
    yield _text(526, 36, "one process: trunkline up", "quiet")
    for left, who in ((460, "desk phone"), (640, "web client"), (820, "softphone")):
        yield _box("box", left, 52, 120, 40, 20)
        yield _text(left + 60, 77, who, middle=True)
    yield _box("box", 460, 142, 480, 382, 8)
    yield from _plane(
        "python",
        (484, 166, 432, 92),
        "Signalling",
        "Python, one event loop: registrar and B2BUA",
        "decides, and tells why in the story of the call",
    )
    yield from _plane(
        "rust",
        (484, 312, 432, 76),
        "Media",
        "Rust threads: relay, SRTP, DTLS and ICE for browsers, codecs,",
        "rooms, recording; plain calls pass in the kernel, or by rtpengine",
    )
    yield from _plane(
        "store", (484, 424, 204, 80), "State", "writer thread, SQLite:", "bindings, calls, records"
    )
    yield from _plane(
        "python",
        (712, 424, 204, 80),
        "Control",
        "Unix socket: trunkline calls …",
        "/metrics, /health, /ready",
    )
    for x, text_x in ((520, 530), (700, 710), (880, 890)):
        yield _line(f"M{x} 92V164", both=True)
        yield _text(text_x, 122, "SIP", "quiet")
    for path, text_x, what in (("M472 92V350H482", 478, "RTP"), ("M928 92V350H918", 886, "SRTP")):
        yield _line(path, both=True)
        yield _text(text_x, 290, what, "quiet")
    yield _line("M640 260V310")
    yield '  <text class="quiet" x="630" y="290" text-anchor="end">commands</text>'
    yield _line("M760 310V260")
    yield _text(770, 290, "events", "quiet")


def _plane(kind: str, at: tuple[int, int, int, int], title: str, *lines: str) -> Iterator[str]:
    left, top, width, height = at
    yield _box(kind, left, top, width, height, 6)
    yield _text(left + width // 2, top + 28, title, "head", middle=True)
    for number, line in enumerate(lines):
        yield _text(left + width // 2, top + 48 + 17 * number, line, "quiet", middle=True)


def _box(kind: str, x: int, y: int, width: int, height: int, radius: int) -> str:
    return f'  <rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}"/>'


def _text(x: int, y: int, text: str, kind: str = "", *, middle: bool = False) -> str:
    attributes = (f' class="{kind}"' if kind else "") + (' text-anchor="middle"' if middle else "")
    return f'  <text{attributes} x="{x}" y="{y}">{escape(text)}</text>'


def _line(path: str, *, both: bool = False) -> str:
    start = ' marker-start="url(#end)"' if both else ""
    return f'  <path class="line" d="{path}"{start} marker-end="url(#end)"/>'


if __name__ == "__main__":
    sys.stdout.write(picture() + "\n")
