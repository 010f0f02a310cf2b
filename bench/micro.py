"""`python -m bench.micro`: what the protocol code costs in a warm loop, without sockets.

Each figure is the fastest of many batches, and every execution gets another text, so that no memory of the
last one helps. A running server pays 1.5 to 3.5 times as much, because its caches are cold between messages:
these figures are for comparing two versions of the code, not for sizing a server.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import cycle

from bench import micro_messages as texts
from bench.plan import DOMAIN, PASSWORD
from bench.table import align, number
from trunkline.media.identity import LocalPort, SdpIdentity
from trunkline.media.offer_answer import check_answer, rewrite, streams_of
from trunkline.proto.sdp import parse_session
from trunkline.proto.sip.credentials import parse_credentials
from trunkline.proto.sip.digest import ha1
from trunkline.proto.sip.digest_server import render_challenge, verify
from trunkline.proto.sip.draft import Draft, render_response
from trunkline.proto.sip.message import Request, parse_message
from trunkline.proto.sip.nonce import Nonces
from trunkline.proto.sip.via import stamp_via

BATCHES = 200
BATCH_S = 0.002
NOW = 1_800_000_000.0
OUR_PORT = LocalPort("192.0.2.10", 20000)


@dataclass(frozen=True, slots=True)
class Cost:
    """One case."""

    case: str
    us: float
    """Microseconds for one execution: the fastest of many batches."""


def fastest_us(work: Callable[[], object], batches: int = BATCHES, batch_s: float = BATCH_S) -> float:
    """The cost of one call of `work` in microseconds, from batches of about `batch_s` seconds each."""
    start = time.perf_counter()
    work()
    repeats = max(1, int(batch_s / max(time.perf_counter() - start, 1e-7)))
    return min(_batch_us(work, repeats) for _ in range(batches))


def _batch_us(work: Callable[[], object], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - start) / repeats * 1e6


def sip_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Parsing, and parsing with what a server asks of every message; rendering."""
    for name, data in texts.MESSAGES.items():
        messages = texts.varied(data)
        yield f"parse {name}", partial(_parse, messages)
        yield f"parse {name}, read Via, CSeq, tags", partial(_read, messages)
    registers = texts.varied(texts.MESSAGES["REGISTER"])
    vias = cycle([parse_message(next(registers)).headers["Via"] for _ in range(texts.VARIANTS)])
    yield "stamp Via with received and rport", lambda: stamp_via(next(vias), "192.0.2.7", 5062)
    yield "render 200 to INVITE with SDP", _rendering_of_a_response()
    yield "render INVITE with SDP", _rendering_of_a_request()


def _parse(messages: Iterator[bytes]) -> object:
    return parse_message(next(messages))


def _read(messages: Iterator[bytes]) -> object:
    message = parse_message(next(messages))
    return message.via.branch, message.cseq, message.from_tag, message.to_tag, message.call_id


def _rendering_of_a_response() -> Callable[[], object]:
    invite = parse_message(texts.MESSAGES["INVITE"])
    if not isinstance(invite, Request):
        raise TypeError("the sample INVITE is no request")
    body = texts.SDP.encode()
    return lambda: render_response(invite, 200, "tag", extra="Contact: <sip:192.0.2.10>\r\n", body=body)


def _rendering_of_a_request() -> Callable[[], object]:
    draft = Draft(
        "INVITE",
        "sip:200@192.0.2.20:5070",
        "<sip:100@bench.test>;tag=a1b2c3",
        "<sip:200@bench.test>",
        "call-id@bench.test",
        1,
        contact="<sip:192.0.2.10:5060>",
        body=texts.SDP.encode(),
    )
    return lambda: draft.render("SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK0123456789;rport")


def sdp_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """The full parser, and what a relayed call needs of an offer and its answer."""
    bodies = texts.varied_sdp()
    identity, offered = SdpIdentity(1, OUR_PORT.address), streams_of(texts.SDP)
    yield "parse SDP in full", lambda: parse_session(next(bodies))
    yield "streams of an SDP offer", lambda: streams_of(next(bodies))
    yield "rewrite SDP for the other side", lambda: rewrite(next(bodies), [OUR_PORT], identity)
    yield "check an SDP answer", lambda: check_answer(offered, next(bodies))


def digest_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """What a challenged request costs: the challenge, reading the credentials, judging them."""
    nonces, secret = Nonces(b"k" * 32), ha1("100", DOMAIN, PASSWORD, "MD5")
    nonce = nonces.mint(DOMAIN, NOW)
    values = texts.varied_credentials(nonce, secret)
    judged = cycle([parse_credentials(next(values)) for _ in range(texts.VARIANTS)])

    def judge() -> object:
        # A replayed count is found after all the hashing: the verdict costs the same.
        return verify(next(judged), "REGISTER", DOMAIN, lambda *_: secret, nonces, NOW)

    yield "challenge", lambda: render_challenge(DOMAIN, nonces, NOW)
    yield "parse Authorization", lambda: parse_credentials(next(values))
    yield "judge credentials, MD5", judge


def measure(batches: int = BATCHES, batch_s: float = BATCH_S) -> list[Cost]:
    """All cases, in the order of a message's way through the server."""
    cases = [*sip_cases(), *digest_cases(), *sdp_cases()]
    return [Cost(name, fastest_us(work, batches, batch_s)) for name, work in cases]


def render(costs: Sequence[Cost]) -> str:
    """A table for people."""
    return "\n".join(align(("case", "", "us"), [(cost.case, "", number(cost.us)) for cost in costs]))


def main(argv: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.micro", description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    parser.add_argument("--batches", type=int, default=BATCHES, help="batches of 2 ms a case")
    options = parser.parse_args(argv)
    costs = measure(options.batches)
    print(json.dumps([asdict(cost) for cost in costs], indent=2) if options.json else render(costs))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
