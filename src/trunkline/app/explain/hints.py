"""What to do about a refusal: one table for what stories tell, live, past or remembered."""

from __future__ import annotations

from typing import Any, Final

_OF_CODE: Final = {
    "auth.stale_loop": "the phone does not take up the new nonce, or its requests come from changing addresses: update "
    "its firmware, look at its NAT, and that a proxy in front keeps one address",
    "call.media_timeout": "nothing was heard: look at media.advertise and at the firewall of the media ports",
    "call.no_ack": "the caller's packets do not reach us after the answer: look at sip.listen's advertise",
    "call.no_answer": "nobody took it in sip.ring_timeout_s seconds",
    "call.not_sent": "the phone's connection is gone: it is reached again when it registers",
    "call.refused": "the record of the out leg has what the phone said",
    "call.unreachable": "the phone is switched off or its NAT closed the way: let it register, or send keep-alives, "
    "more often",
    "identity.malformed": "look at the header with trunkline trace",
    "limit.callee": "trunkline calls shows them; trunkline extension set NUMBER --max-calls N allows more",
    "limit.caller": "trunkline calls shows them; trunkline extension set NUMBER --max-calls N allows more",
    "media.port_taken": "another program took a port of media.ports while the exchange was down: keep them to it alone",
    "media.ports_exhausted": "widen media.ports",
    "media.not_secured": "the party's certificate is not that of its description, or its packets do not arrive",
    "media.silent": "one-way audio: look at media.advertise and at the firewall of the media ports",
    "mobile.expired": "a phone that was reached rang in vain; one that was not is off or without network, or its user "
    "has ended the app",
    "mobile.no_device": "the app registers its device when it is opened; trunkline devices list shows who has done so",
    "mobile.no_push": "trunkline devices list shows why; the app sends its push token anew when it is opened",
    "register.lost": "the page was closed or the network went; it is reached again when it registers",
    "register.not_kept": "look at the disk of the data folder",
    "register.unknown_domain": "correct the domain in the phone, or: trunkline tenant domain add DOMAIN --tenant NAME",
    "route.no_number": "the Request-URI of the phone has nothing before the @",
    "route.not_registered": "trunkline explain --register NUMBER tells why",
    "route.sips_insecure": "let the phone use TLS, or dial sip: instead",
    "route.sips_unreachable": "let the callee's phone register by TLS, or dial sip: instead",
    "sdp.no_codec": "give the phones a codec in common, or set sip.sdp_profile to transparent",
    "sdp.not_secured": "set SRTP of the phone, and media.encryption or the trunk's encryption, to what both can do",
}
_OF_PUSH: Final = {
    "gone": "the app was removed or has another token by now, which it sends when it is opened",
    "mismatch": "the token is of another app or environment: look at the device's bundle_id and environment, and at "
    "the keys in [push]",
    "suspect": "the settings may be wrong, so no phone is given up: trunkline status says what to look at",
    "refused": "trunkline check looks at the keys in [push]; trunkline devices test-push DEVICE tries one",
    "unavailable": "trunkline status shows how the push services are, trunkline check looks for the reason",
}
_OF_VERDICT: Final = {
    "foreign nonce": "the phone answers a challenge of another server: look for two servers behind one address",
    "nonce of another address": "the phone's address changes between two requests: look at its NAT",
    "replayed": "the phone uses a nonce count twice: update its firmware",
    "unknown algorithm": "the phone uses a digest algorithm that was not offered: set it to MD5 or SHA-256",
    "unknown realm": "the phone keeps an old realm: delete its account there and enter it anew",
    "unknown user": "there is no such extension: trunkline extension list; the phone is told the same as for a wrong "
    "password",
    "uri mismatch": "something between the phone and us rewrites its requests: switch off SIP ALG in the router",
    "wrong": "enter the extension's password in the phone, or choose one: trunkline extension set NUMBER "
    "--generate",
}
_OF_REFUSAL: Final = {
    400: "look at the request with trunkline trace",
    420: "the phone or the proxy before it requires what it does not announce: let the phone support Path, or set "
    'sip.registration.path = "tolerant"',
    423: "the phone asks for too little time and will ask again with more; sip.registration.min_expires_s is the least",
    439: "the proxy in front does not keep flows (RFC 5626): let it add ob to its Path",
    500: "requests came out of order: it passes when the phone starts anew",
    503: "it passes; look at trunkline status",
}
_OF_REASON: Final = {
    "nobody registers for another": "the user for authentication and the number of the account must be the same",
    "Too Many Contacts": "trunkline registrations remove NUMBER ends old ones; sip.max_contacts allows more",
}


def hint_of(code: str, text: str, data: dict[str, Any]) -> str:
    """What to do about a step; "" where there is nothing to do."""
    if code == "auth.wrong":
        return _OF_VERDICT.get(str(data.get("verdict", "")), "")
    if code == "register.refused":
        return _OF_REASON.get(text.partition(" ")[2]) or _OF_REFUSAL.get(int(data.get("status") or 0), "")
    if code == "mobile.push_failed":
        return _OF_PUSH.get(str(data.get("why", "")), "")
    return _OF_CODE.get(code, "")
