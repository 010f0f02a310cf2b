"""Whom an app calls, as it says it: read strictly, because it becomes a Request-URI and who pays is the account.

A call goes to a user of the account's own domain (or what that exchange makes of a number), and never to a host that
the operator has not named.
"""

from __future__ import annotations

import re
from typing import Final

from trunkline.base.messages import Refused
from trunkline.mobile.domains import host_of

MOST: Final = 256
_is_user = re.compile(r"(?:[A-Za-z0-9_.!~*'()&=+$,#-]|%[0-9A-Fa-f]{2}){1,128}\Z").match
_VISUAL: Final = str.maketrans("", "", "-.()")  # RFC 3966 §5.1.1


def read_destination(text: str) -> tuple[str, str]:
    """User and host of ``100``, ``+49 30 123`` as tel, ``sip:100@pbx.example``; the host is "" when none is named.

    Refused with ``call.destination`` 422.
    """
    if not 0 < len(text) <= MOST:
        raise _unusable(f"1 to {MOST} characters")
    scheme, colon, rest = text.partition(":")
    if colon and scheme.lower() == "tel":
        number = rest.partition(";")[0].translate(_VISUAL)
        if not _is_user(number):
            raise _unusable("tel: and a number")
        return number, ""
    if colon and scheme.lower() == "sip":
        text = rest
    address, _, _params = text.partition(";")  # maddr, transport and the like are not for an app to choose
    user, at, host = address.rpartition("@")
    if not at:
        user, host = address, ""
    if not _is_user(user) or "?" in text:
        raise _unusable("a number or name, or sip:user@domain without headers")
    if not at:
        return user, ""
    bare = host_of(_without_port(host))
    if bare is None:
        raise _unusable("a host name or an address behind the @")
    return user, bare


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, colon, port = host.partition(":")
    return name if not colon or port.isdigit() else host


def _unusable(expected: str) -> Refused:
    return Refused("call.destination", "destination_uri is not usable", f"expected {expected}", 422)
