"""Headers that name another dialog: Replaces (RFC 3891 §6.1) and Target-Dialog (RFC 4538 §7).

    Replaces      = callid *( SEMI (to-tag / from-tag / early-flag / generic-param) )
    Target-Dialog = callid *( SEMI (remote-tag / local-tag / generic-param) )

Both tags must stand in it once. Both are said from the view of whoever receives the request: its own tag is
``to-tag`` and ``local-tag``.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.dialog import dialog_key
from trunkline.proto.sip.grammar import WHITE, excerpt, parse_parameters

# RFC 3261 §25.1: callid = word [ "@" word ].
_WORD: Final = r"[A-Za-z0-9.!%*_+`'~()<>:\\\"/\[\]?{}-]++"
_call_id = re.compile(rf"{_WORD}(?:@{_WORD})?\Z").match


class DialogName(NamedTuple):
    """A dialog as the receiver of the request knows it; ``early_only`` is the flag of Replaces."""

    call_id: str
    local_tag: str
    remote_tag: str
    early_only: bool = False

    @property
    def key(self) -> str:
        """What ``Dialog.key`` is for that dialog."""
        return dialog_key(self.call_id, self.local_tag, self.remote_tag)

    @property
    def across(self) -> DialogName:
        """The same dialog as its other end would be told."""
        return self._replace(local_tag=self.remote_tag, remote_tag=self.local_tag)


def parse_replaces(value: str) -> DialogName:
    """The dialog that a Replaces names; raises RemoteProtocolError 400 when malformed or given twice."""
    call_id, parameters = _parse("Replaces", value)
    local, remote = _tag(parameters, "to-tag", "Replaces"), _tag(parameters, "from-tag", "Replaces")
    return DialogName(call_id, local, remote, "early-only" in parameters)


def parse_target_dialog(value: str) -> DialogName:
    """The dialog that a Target-Dialog names; raises RemoteProtocolError 400 when malformed or given twice."""
    call_id, parameters = _parse("Target-Dialog", value)
    local = _tag(parameters, "local-tag", "Target-Dialog")
    return DialogName(call_id, local, _tag(parameters, "remote-tag", "Target-Dialog"))


def render_replaces(name: DialogName) -> str:
    """The value of a Replaces for whoever receives it."""
    early = ";early-only" if name.early_only else ""
    return f"{name.call_id};to-tag={name.local_tag};from-tag={name.remote_tag}{early}"


def _parse(header: str, value: str) -> tuple[str, dict[str, str | None]]:
    if "\n" in value:
        raise RemoteProtocolError(f"more than one {header} header")
    call_id, semicolon, rest = value.partition(";")
    call_id = call_id.strip(WHITE)
    if _call_id(call_id) is None:
        raise RemoteProtocolError(f"malformed {header} {excerpt(value)}")
    return call_id, parse_parameters(semicolon + rest)


def _tag(parameters: dict[str, str | None], name: str, header: str) -> str:
    tag = parameters.get(name)
    if not tag:
        raise RemoteProtocolError(f"{header} without {name}")
    return tag
