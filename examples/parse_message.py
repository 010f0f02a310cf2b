"""Read a SIP message: no socket, no event loop; bytes in, values out.

    .venv/bin/python examples/parse_message.py

The parser splits a message once and types a header only when somebody asks for it. Whatever a network sends,
the only error is ``RemoteProtocolError``, which carries the status to answer.
"""

from __future__ import annotations

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.draft import render_response
from trunkline.proto.sip.message import Request, check_request, parse_message
from trunkline.proto.sip.name_addr import parse_contacts, parse_name_addr
from trunkline.proto.sip.uri import parse_uri

# Compact header names, a folded line, a display name with a comma: all of it is usual.
INVITE = b"""INVITE sip:1002@example.com;transport=udp SIP/2.0
v: SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK776asdhds;rport
Max-Forwards: 70
f: "Smith, Anna" <sip:1001@example.com>;tag=88sja8x
t: <sip:1002@example.com>
i: 3848276298220188511
CSeq: 314159 INVITE
m: <sip:1001@192.0.2.7:5062>,
 <sip:1001@[2001:db8::7]>
l: 0

""".replace(b"\n", b"\r\n")


def main() -> None:
    """Take a message apart, answer it, and meet a broken one."""
    message = parse_message(INVITE)
    if not isinstance(message, Request):
        raise TypeError("an INVITE is a request")
    check_request(message)

    caller = parse_name_addr(message.headers["From"])
    print(f"method     {message.method}")
    print(f"to         {parse_uri(message.uri).user} at {parse_uri(message.uri).host}")
    print(f"caller     {caller.display}, {caller.uri}, tag {message.from_tag}")
    print(f"branch     {message.via.branch}")
    print(f"sequence   {message.cseq[0]}")
    print(f"contacts   {[contact.uri for contact in parse_contacts(message.headers['Contact'])]}")

    print("\nthe answer:")
    print(render_response(message, 486, "a-tag-of-ours").decode())

    try:
        parse_message(b"INVITE sip:1002@example.com SIP/3.0\r\nVia: x\r\n\r\n")
    except RemoteProtocolError as error:
        print(f"a message of another version is to be answered {error.status}: {error.reason}")


if __name__ == "__main__":
    main()
