"""Answering challenges: 401 and 407 to requests of ours (RFC 3261 §22, RFC 8760)."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.challenge import parse_challenges
from trunkline.proto.sip.dialog import Dialog
from trunkline.proto.sip.digest_client import Attempts, DigestClient
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Response

_HEADERS = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}


def says_stale(response: Response) -> bool:
    """Whether a challenge says that the digest was right and its nonce too old (RFC 7616 §3.3)."""
    names = _HEADERS.get(response.status)
    values = response.headers.get(names[0]) if names else None
    if values is None:
        return False
    try:
        return any(challenge.stale for challenge in parse_challenges(values))
    except RemoteProtocolError:
        return False


class Authorizer:
    """Answers the challenges of one request, with credentials and nonces that many requests share.

    ``cnonce`` mints client nonces.
    """

    __slots__ = ("_attempts", "_cnonce", "_digest")

    def __init__(self, digest: DigestClient, cnonce: Callable[[], str]) -> None:
        self._attempts = Attempts()
        self._cnonce = cnonce
        self._digest = digest

    def another(self) -> Authorizer:
        """For another request to the same peer: what became of this one does not count for it."""
        return Authorizer(self._digest, self._cnonce)

    def within(self, dialog: Dialog) -> Authorizer:
        """For a request within a dialog, with the same credentials (rule T-32: 407 on re-INVITE, REFER, BYE)."""
        return _InDialog(self._digest, self._cnonce, dialog)

    @property
    def answered(self) -> bool:
        """Whether the request has left with credentials."""
        return self._attempts.any

    def ahead(self, draft: Draft, status: int) -> None:
        """Put credentials into a request before it is challenged, with the last nonce (RFC 7616 §3.3).

        ``status`` is that of the challenge that the nonce came with. Nothing is added for several realms: which of
        them asks for what only a challenge tells.
        """
        if self._digest.realms == 1:
            name = _HEADERS[status][1]
            values = self._digest.authorize(
                draft.method, draft.uri, self._cnonce(), self._attempts, draft.body
            )
            draft.extra += "".join(f"{name}: {value}\r\n" for value in values)

    def answer(self, draft: Draft, response: Response) -> Draft | None:
        """The request again with the next CSeq and our answer, or None when there is no (further) answer.

        None also for a challenge that we answered wrongly before: trying again would lock the account.
        """
        names = _HEADERS.get(response.status)
        values = response.headers.get(names[0]) if names else None
        if names is None or values is None:
            return None
        try:
            challenges = parse_challenges(values)
        except RemoteProtocolError:
            return None
        answers = self._digest.answer(
            challenges, draft.method, draft.uri, self._cnonce(), self._attempts, draft.body
        )
        if not answers:
            return None
        credentials = "".join(f"{names[1]}: {value}\r\n" for value in answers)
        kept = "".join(
            line + "\r\n"
            for line in draft.extra.split("\r\n")
            if line and not line.startswith(f"{names[1]}:")
        )
        return Draft(
            draft.method,
            draft.uri,
            draft.from_,
            draft.to,
            draft.call_id,
            draft.cseq + 1,
            route=draft.route,
            contact=draft.contact,
            extra=kept + credentials,
            body=draft.body,
            content_type=draft.content_type,
            max_forwards=draft.max_forwards,
        )

    @staticmethod
    def lines_of(draft: Draft) -> str:
        """The credential lines of a request, as the ACK of its 2xx repeats them (RFC 3261 §13.2.2.4)."""
        if "uthorization: " not in draft.extra:
            return ""
        names = ("Authorization:", "Proxy-Authorization:")
        return "".join(f"{line}\r\n" for line in draft.extra.split("\r\n") if line.startswith(names))


class _InDialog(Authorizer):
    """Numbers the request that is sent again from its dialog, where another may have been sent meanwhile."""

    __slots__ = ("_dialog",)

    def __init__(self, digest: DigestClient, cnonce: Callable[[], str], dialog: Dialog) -> None:
        super().__init__(digest, cnonce)
        self._dialog = dialog

    def answer(self, draft: Draft, response: Response) -> Draft | None:
        again = super().answer(draft, response)
        if again is not None:
            self._dialog.local_seq += 1
            again.cseq = self._dialog.local_seq
        return again
