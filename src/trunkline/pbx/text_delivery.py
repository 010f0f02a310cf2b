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
from trunkline.pbx.one_phone import FindPhone, OnePhone, phone_of
from trunkline.pbx.text_fork import TextFork
from trunkline.proto.sip.name_addr import parse_name_addr
from trunkline.proto.sip.reasons import reason_phrase
from trunkline.registrar.sleeping import split


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
        self.find_phone: FindPhone | None = None
        """Set by whoever knows GRUUs."""

    async def __call__(self, text: Text, story: Story) -> int:
        entry = self._directory.extension(text.tenant, text.receiver)
        if entry is None:
            raise CallFailed(404, reason_phrase(404), 0, "route.unknown_number")
        phone = self._phone(text)
        targets = self._targets(text.tenant, entry) if phone is None else list(phone.targets or ())
        if text.to.startswith("<sips:"):
            targets = [target for target in targets if is_secure(target)]  # RFC 3261 §26.2.2
        awake, asleep = split(targets)
        if asleep:
            # RFC 8599 §5.6.2: not before they have registered; the text waits in the queue, which has them woken.
            now = self._context.endpoint.now()
            story.add(now, "text.asleep", f"phones of {entry.number} that sleep: {len(asleep)}")
        return await TextFork(self._context, text, story).run(awake)

    def _phone(self, text: Text) -> OnePhone | None:
        """The one phone that the writer meant by a GRUU."""
        if ";gr" not in text.to:
            return None
        return phone_of(parse_name_addr(text.to).address, text.tenant, self.find_phone)
