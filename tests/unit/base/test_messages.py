"""Messages survive the way through JSON, and nothing else gets in."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from trunkline.base import events, messages
from trunkline.base.message_codec import REGISTRY, Message, MessageError, decode, message
from trunkline.base.messages import (
    AddExtension,
    ExtensionAdded,
    ExtensionRow,
    ImportExtensions,
    ImportRow,
    ListCalls,
    RecordList,
    RecordRow,
    Refused,
    Request,
    Status,
    Stop,
    StoryStep,
)

messages.import_all()


def sample(hint: Any) -> Any:
    """Some value of an annotated type, not its default."""
    if hint in {str, Any}:
        return "x"
    if hint in {int, float, bool}:
        return hint(1)
    if get_origin(hint) is tuple:
        return (sample(get_args(hint)[0]),)
    if get_origin(hint) is dict:
        return {"k": sample(get_args(hint)[1])}
    if get_args(hint):
        return sample(get_args(hint)[0])
    return build(hint)


def build(cls: Any) -> Any:
    hints = get_type_hints(cls)
    return cls(**{field.name: sample(hints[field.name]) for field in dataclasses.fields(cls)})


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_message_survives_json(name: str) -> None:
    one = build(REGISTRY[name])
    back = decode(json.loads(json.dumps(one.to_dict())))
    assert back == one
    assert type(back) is REGISTRY[name]
    assert one.to_dict()["type"] == name


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_request_names_a_registered_reply(name: str) -> None:
    cls = REGISTRY[name]
    if issubclass(cls, Request):
        assert cls.reply_type().type in REGISTRY


def test_nested_rows_come_back_as_rows() -> None:
    row = RecordRow(
        id="r",
        call="c",
        direction="in",
        caller="1001",
        callee="1002",
        target="",
        started_at=1.0,
        ended_at=2.0,
        answered_at=None,
        status=486,
        reason="Busy Here",
        code="callee.busy",
        q850=17,
        story=(StoryStep(3, "route.extension", "1002 is an extension", {"n": 1, "ok": True, "why": None}),),
    )
    reply = RecordList(rows=(row,))
    assert decode(json.loads(json.dumps(reply.to_dict()))) == reply


def test_left_out_fields_take_their_defaults() -> None:
    assert decode({"type": "call.list"}) == ListCalls()
    assert decode({"type": "extension.add", "number": "1"}) == AddExtension(number="1", tenant=None)


def test_a_whole_number_will_do_where_a_number_is_wanted() -> None:
    stop = decode({"type": "exchange.stop", "grace_s": 3})
    assert stop == Stop(grace_s=3.0)
    assert isinstance(stop, Stop)
    assert isinstance(stop.grace_s, float)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "a message is a JSON object"),
        ({}, "nothing readable"),
        ({"type": 7}, "nothing readable"),
        ({"type": "cal.list"}, "did you mean call.list?"),
        ({"type": "x\x1b[2J"}, "nothing readable"),
        ({"type": "extension.add"}, "extension.add.number is missing"),
        ({"type": "extension.add", "number": 5}, "extension.add.number must be text, not a whole number"),
        ({"type": "extension.add", "number": "5", "nam": ""}, "no field nam (did you mean name?)"),
        (
            {"type": "extension.add", "number": "5", "password": ["s3cret"]},
            "password must be text, not a list",
        ),
        ({"type": "call.list", "limit": True}, "call.list.limit must be a whole number, not true or false"),
        ({"type": "call.list", "limit": None}, "call.list.limit must be a whole number, not null"),
        ({"type": "exchange.stop", "grace_s": "1"}, "exchange.stop.grace_s must be a number"),
        ({"type": "extension.import", "rows": {}}, "extension.import.rows must be a list"),
        ({"type": "extension.import", "rows": [1]}, "extension.import.rows[0] must be an object"),
        (
            {"type": "extension.import", "rows": [{"line": "1", "number": "1"}]},
            "extension.import.rows[0].line must be a whole number",
        ),
        (
            {
                "type": "explanation",
                "subject": "",
                "outcome": "",
                "text": "",
                "steps": [{"ms": 1, "code": "", "text": "", "data": {"k": [1]}}],
            },
            "explanation.steps[0].data.k must be one of",
        ),
    ],
)
def test_wrong_data_is_refused_with_its_place(data: object, said: str) -> None:
    with pytest.raises(MessageError) as caught:
        decode(data)
    assert said in caught.value.reason
    assert "s3cret" not in caught.value.reason
    assert caught.value.status == 400


def test_from_dict_refuses_another_type() -> None:
    with pytest.raises(MessageError) as caught:
        ListCalls.from_dict({"type": "exchange.status"})
    assert caught.value.code == "message.unknown"
    assert Status.from_dict({}) == Status()


def test_no_password_is_shown_by_repr() -> None:
    shown = repr(
        [
            AddExtension(number="1", password="hunter2"),
            ExtensionAdded(extension=ExtensionRow("1"), password="hunter2"),
            ImportExtensions(rows=(ImportRow(2, "1", "hunter2"),)),
            messages.GeneratedPassword("1", "hunter2"),
        ]
    )
    assert "hunter2" not in shown


def test_two_messages_cannot_share_a_name() -> None:
    with pytest.raises(ValueError, match=r"two messages are called call\.list"):

        @message("call.list")
        class Again(Message):
            """A second one."""


def test_messages_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ListCalls().limit = 3  # type: ignore[misc]


def test_only_requests_that_need_no_running_exchange_are_offline() -> None:
    offline = {name for name, cls in REGISTRY.items() if issubclass(cls, Request) and cls.offline}
    assert offline == {
        "extension.add",
        "extension.export",
        "api-key.make",
        "api-key.remove",
        "api-key.show",
        "extension.import",
        "extension.list",
        "extension.remove",
        "extension.set",
        "explain.call",
        "explain.number",
        "explain.register",
        "record.list",
        "register.recent",
        "tenant.add",
        "tenant.add-domain",
        "tenant.list",
        "tenant.remove",
        "tenant.remove-domain",
        "tenant.set",
        "trace.past",
    }


def test_a_refusal_carries_its_problem() -> None:
    refused = Refused("extension.exists", "1001 exists", "remove it first", 409)
    assert str(refused) == "1001 exists (remove it first)"
    assert refused.problem.to_dict()["code"] == "extension.exists"


def test_events_are_messages_too() -> None:
    event = events.CallStarted(tenant="t", at=1.0, call="c", caller="1", callee="2")
    assert decode(event.to_dict()) == event
