"""What ICMP says about datagrams that did not arrive: the socket's error queue (ip(7), ipv6(7))."""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import Final

from trunkline.net.routes import remote_of

# <linux/in.h> and <linux/in6.h>; Python does not name them.
_IP_RECVERR: Final = 11
_IPV6_RECVERR: Final = 25
_ANCILLARY: Final = 512
_MAX_AT_ONCE: Final = 64

# struct sock_extended_err: errno, origin, type, code, pad, info, data (<linux/errqueue.h>)
_EXTENDED_ERROR: Final = struct.Struct("=IBBBBII")
_ORIGIN_LOCAL, _ORIGIN_ICMP, _ORIGIN_ICMP6 = 1, 2, 3

# RFC 3261 §18.4: unreachable and parameter problem are failures; source quench and time exceeded are not.
_FATAL_TYPES: Final = {_ORIGIN_ICMP: (3, 12), _ORIGIN_ICMP6: (1, 4)}


def ask_for_errors(udp: socket.socket) -> None:
    """Have the kernel keep ICMP errors with the address that they are about."""
    if udp.family == socket.AF_INET6:
        udp.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
    else:
        udp.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)


def take_errors(udp: socket.socket) -> list[tuple[tuple[str, int], str]]:
    """Empty the error queue; returns ``((host, port), reason)`` for each failed destination."""
    failed: list[tuple[tuple[str, int], str]] = []
    for _ in range(_MAX_AT_ONCE):
        try:
            _, ancillary, _, remote = udp.recvmsg(0, _ANCILLARY, socket.MSG_ERRQUEUE)
        except OSError:
            break
        for _, _, data in ancillary:
            if len(data) >= _EXTENDED_ERROR.size and remote:
                number, origin, kind, *_ = _EXTENDED_ERROR.unpack_from(data)
                # A packet too big (EMSGSIZE) is one that the kernel fragments from then on.
                if kind in _FATAL_TYPES.get(origin, ()) and number != errno.EMSGSIZE:
                    failed.append((remote_of(remote), os.strerror(number)))
    return failed
