"""A network namespace of our own, so that no address or port of the machine is touched."""

import ctypes
import os
import subprocess

from bench.process import find

CLONE_NEWNET = 0x40000000  # <linux/sched.h>; os.unshare needs Python 3.12


def enter_own_network() -> bool:
    """Move this process, and all that it starts, into a fresh network namespace with a loopback only.

    The kernel removes the namespace with its last process, however that ends. Returns False where this is not
    permitted (not root, or a container without CAP_SYS_ADMIN); the measurement then runs on the machine's
    loopback.
    """
    ip = find("ip")
    if os.geteuid() != 0 or ip is None:
        return False
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        return False
    subprocess.run([ip, "link", "set", "lo", "up"], check=True)
    return True
