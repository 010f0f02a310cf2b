"""How a text reaches its reader: the contacts of the extension, as they are when it is sent."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.base.errors import CallFailed
from trunkline.base.story import Story
from trunkline.call.context import CallContext
from trunkline.call.target import Target
from trunkline.model.text import Text
from trunkline.pbx.directory import Directory, Entry
from trunkline.pbx.handing_on import is_secure
from trunkline.pbx.text_fork import TextFork
from trunkline.proto.sip.reasons import reason_phrase


class TextDelivery:
    """``message.ports.Deliver``; ``targets(tenant, extension)`` gives the contacts."""

    def __init__(
        self,
        directory: Directory,
        context: CallContext,
        targets: Callable[[str, Entry], list[Target]],
    ) -> None:
        self._directory = directory
        self._context = context
        self._targets = targets

    async def __call__(self, text: Text, story: Story) -> int:
        entry = self._directory.extension(text.tenant, text.receiver)
        if entry is None:
            raise CallFailed(404, reason_phrase(404), 0, "route.unknown_number")
        targets = self._targets(text.tenant, entry)
        if text.to.startswith("<sips:"):
            targets = [target for target in targets if is_secure(target)]  # RFC 3261 §26.2.2
        return await TextFork(self._context, text, story).run(targets)
