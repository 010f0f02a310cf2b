"""A binding: one contact at which an AOR can be reached, and the flow it came by."""

from __future__ import annotations


class Binding:
    """A mutable, slotted record, because a refresh happens thousands of times a second.

    AOR = (``tenant``, ``user``). ``contact`` is the contact's addr-spec as registered, without the header's
    parameters; ``flow`` the token of the flow it registered over (``net`` turns it back into a flow);
    ``expires_at`` wall-clock seconds; ``q`` 0..1000 (thousandths, RFC 3261 §20.10); ``instance`` and
    ``reg_id`` of RFC 5626 when given; ``call_id`` and ``cseq`` order requests (RFC 3261 §10.3 step 7);
    ``received`` is "host:port" as seen by us; ``params`` are the other parameters of its Contact header as they
    came (";+sip.ice;methods=..."), kept for whoever asks what the phone can do; ``epoch`` is what the temporary
    GRUUs of its instance carry (RFC 5627), "" without an instance; ``refreshed_at`` is when it was last prolonged in
    this process, None before that.
    """

    __slots__ = (
        "call_id",
        "contact",
        "cseq",
        "epoch",
        "expires_at",
        "flow",
        "id",
        "instance",
        "params",
        "path",
        "q",
        "received",
        "refreshed_at",
        "reg_id",
        "registered_at",
        "tenant",
        "user",
        "user_agent",
    )

    def __init__(
        self,
        tenant: str,
        user: str,
        id: str,  # noqa: A002  (the field's name everywhere)
        contact: str,
        flow: str,
        received: str,
        call_id: str,
        cseq: int,
        registered_at: float,
        expires_at: float,
        q: int = 1000,
        instance: str | None = None,
        reg_id: int = 0,
        path: str = "",
        user_agent: str = "",
        params: str = "",
        epoch: str = "",
    ) -> None:
        self.tenant = tenant
        self.user = user
        self.id = id
        self.contact = contact
        self.flow = flow
        self.received = received
        self.call_id = call_id
        self.cseq = cseq
        self.registered_at = registered_at
        self.expires_at = expires_at
        self.q = q
        self.instance = instance
        self.reg_id = reg_id
        self.path = path
        self.user_agent = user_agent
        self.params = params
        self.epoch = epoch
        self.refreshed_at: float | None = None

    @property
    def by_websocket(self) -> bool:
        """Whether it registered over a WebSocket: it is gone when that is (RFC 7118 §5.2.3)."""
        return "|ws" in self.flow

    def __repr__(self) -> str:
        # Not its contact, which may say how its phone is woken.
        return f"Binding({self.user} at {self.received}, until {self.expires_at:.0f})"
