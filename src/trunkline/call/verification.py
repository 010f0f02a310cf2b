"""What becomes of a call whose caller's signature is good, wrong or missing (RFC 8224 §6.2.2)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from trunkline.base.errors import CallFailed
from trunkline.proto.sip.reason_header import STIR, Reason
from trunkline.proto.sip.reasons import reason_phrase
from trunkline.ua.stir import Claim, StirVerifier, Verdict

if TYPE_CHECKING:
    from trunkline.call.call import Call, Script


class Mode(StrEnum):
    """How strict a peer's calls are taken."""

    OFF = "off"  # nobody looks at signatures
    MARK = "mark"  # each call goes on, and carries what was found
    REFUSE = "refuse"  # a wrong signature ends the call; none at all does not
    REQUIRE = "require"  # every call must be signed


_STALE: Final = 403
_UNSIGNED: Final = 428


def verified(script: Script, verifier: StirVerifier, claim: Claim, mode: Mode) -> Script:
    """``script``, once the claim was verified; the caller hears nothing final before that."""

    async def checked(call: Call) -> None:
        verdict = await verifier.verify(claim)
        caller = call.caller
        caller.verstat = verdict.verstat
        caller.passports = verdict.identities
        _tell(call, verdict)
        # RFC 8224 §6.2: signatures of kinds that nobody here understands are as none.
        is_wrong = verdict.status not in {0, _UNSIGNED}
        if (mode is Mode.REQUIRE and verdict.status) or (mode is Mode.REFUSE and is_wrong):
            raise _refusal(verdict)
        await script(call)

    return checked


def _tell(call: Call, verdict: Verdict) -> None:
    if not verdict.status:
        attest = verdict.attest or "no"
        call.tell("stir.passed", f"{verdict.number} is signed, attestation {attest}", attest=verdict.attest)
    elif verdict.status == _UNSIGNED:
        call.tell("stir.absent", verdict.why)
    else:
        call.tell("stir.failed", verdict.why, status=verdict.status)


def _refusal(verdict: Verdict) -> CallFailed:
    phrase = "Stale Date" if verdict.status == _STALE else reason_phrase(verdict.status)
    # RFC 9410 §5: the reason says which of the things that this status may mean it is.
    said = str(Reason(STIR, verdict.status, phrase))
    return CallFailed(verdict.status, phrase, 21, "stir.refused", said=said)
