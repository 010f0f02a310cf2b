"""Waits until a SIP server answers, by OPTIONS over UDP."""

import itertools
import socket
import subprocess
import time

from bench.plan import DOMAIN, Address
from bench.process import BenchError

PROBE_INTERVAL_S = 0.2


def _options(server: Address, local: Address, attempt: int) -> bytes:
    return (
        f"OPTIONS sip:probe@{server} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {local};branch=z9hG4bKprobe{attempt}-{local.port};rport\r\n"
        "Max-Forwards: 70\r\n"
        f"From: <sip:probe@{DOMAIN}>;tag=probe{attempt}\r\n"
        f"To: <sip:probe@{DOMAIN}>\r\n"
        f"Call-ID: probe{attempt}-{local.port}\r\n"
        "CSeq: 1 OPTIONS\r\n"
        f"Contact: <sip:probe@{local}>\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()


def wait_until_it_answers(server: Address, process: subprocess.Popen[str], timeout_s: float) -> None:
    """Return when the server has answered an OPTIONS with anything at all.

    Raises BenchError when the process has ended or `timeout_s` is over.
    """
    deadline = time.monotonic() + timeout_s
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        probe.settimeout(PROBE_INTERVAL_S)
        local = Address(*probe.getsockname())
        for attempt in itertools.count():
            if process.poll() is not None:
                raise BenchError(f"the server ended with {process.returncode} before it answered")
            if time.monotonic() > deadline:
                raise BenchError(f"no answer to OPTIONS from {server} within {timeout_s:.0f} s")
            probe.sendto(_options(server, local, attempt), server)
            try:
                probe.recv(4096)
            except OSError:  # nothing yet, or nobody listens yet
                time.sleep(PROBE_INTERVAL_S / 4)
            else:
                return
