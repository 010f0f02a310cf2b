"""Samples of what the store keeps."""

from __future__ import annotations

from typing import Any

from trunkline.base.ids import uuid7
from trunkline.model.binding import Binding
from trunkline.model.client_registration import ClientRegistration
from trunkline.model.device import REST, MobileAccount, MobileCall, MobileDevice
from trunkline.model.kept_call import KeptCall
from trunkline.model.record import CallRecord
from trunkline.model.tenant import SystemScope
from trunkline.model.text import Text

SYSTEM = SystemScope("tests look at everything")


def a_binding(tenant: str, user: str = "1001", **changes: Any) -> Binding:
    """A binding of a phone that registered at 1000 and expires at 4600."""
    fields: dict[str, Any] = {
        "tenant": tenant,
        "user": user,
        "id": uuid7(),
        "contact": f"sip:{user}@192.0.2.7:5060;transport=udp",
        "flow": "udp-0-192.0.2.7-5060",
        "received": "192.0.2.7:5060",
        "call_id": "a84b4c76e66710",
        "cseq": 7,
        "registered_at": 1000.0,
        "expires_at": 4600.0,
        "q": 500,
        "instance": "<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>",
        "reg_id": 1,
        "path": "<sip:edge.example.net;lr>",
        "user_agent": "Desk Phone 1.0",
    }
    return Binding(**(fields | changes))


def a_record(tenant: str, **changes: Any) -> CallRecord:
    """A record of a call that was answered and ended by the caller."""
    fields: dict[str, Any] = {
        "tenant": tenant,
        "id": uuid7(),
        "call": uuid7(),
        "direction": "in",
        "caller": "1001",
        "callee": "1002",
        "target": "sip:1002@192.0.2.8:5060",
        "started_at": 1000.0,
        "ended_at": 1060.5,
        "answered_at": 1004.25,
        "status": 200,
        "reason": "OK",
        "code": "call.ended",
        "q850": 16,
        "ended_by": "caller",
        "sip_call_id": "f81d4fae7dec@192.0.2.7",
        "quality": {"packets": 2800, "lost": 3, "jitter_ms": 1.5},
        "story": [{"ms": 0, "code": "route.extension", "text": "1002 is an extension"}],
    }
    return CallRecord(**(fields | changes))


def a_kept_call(tenant: str, **changes: Any) -> KeptCall:
    """A call in progress of node 1, last seen at 1060."""
    fields: dict[str, Any] = {
        "tenant": tenant,
        "id": uuid7(),
        "node": 1,
        "body": '{"version": 1}',
        "updated_at": 1060.0,
    }
    return KeptCall(**(fields | changes))


def fields_of(binding: Binding) -> dict[str, Any]:
    """What a binding holds, to compare two of them."""
    return {name: getattr(binding, name) for name in Binding.__slots__}


def a_client_registration(tenant: str, **changes: Any) -> ClientRegistration:
    """Our registration at a carrier, which expires at 4600."""
    fields: dict[str, Any] = {
        "tenant": tenant,
        "id": uuid7().replace("-", ""),
        "owner": "trunk carrier",
        "address": "sip:me@carrier.example",
        "registrar": "sip:carrier.example",
        "call_id": "0000a84b4c76e66710",
        "cseq": 107,
        "contact": "203.0.113.9:5060",
        "expires_at": 4600.0,
        "target": "UDP 192.0.2.9:5060",
    }
    return ClientRegistration(**(fields | changes))


def a_text(tenant: str, **changes: Any) -> Text:
    """A text from 1001 that waits for 1002."""
    fields: dict[str, Any] = {
        "tenant": tenant,
        "id": uuid7(),
        "sender": "1001",
        "receiver": "1002",
        "from_": '"Anna" <sip:1001@example.com>',
        "to": "<sip:1002@example.com>",
        "call_id": "9b1f@exchange",
        "content_type": "text/plain;charset=utf-8",
        "headers": "Subject: x\r\n",
        "body": b"Gr\xc3\xbc\xc3\x9fe\x00\xff",
        "max_forwards": 69,
        "received_at": 1000.0,
        "expires_at": 605_800.0,
    }
    return Text(**(fields | changes))


def a_mobile_account(tenant: str, **changes: Any) -> MobileAccount:
    """The account alice@pbx.example of some phone."""
    fields: dict[str, Any] = {
        "tenant": tenant,
        "id": uuid7().replace("-", ""),
        "user": "alice",
        "domain": "pbx.example",
        "registrar": "sip.pbx.example",
        "transport": "udp",
        "port": 5060,
        "auth_username": "alice-login",
        "display_name": "Alice Ä.",
        "secret": "1.00000000.c2VhbGVk",
        "own": False,
        "used_at": 1100.0,
        "created_at": 1000.0,
    }
    return MobileAccount(**(fields | changes))


def a_mobile_device(tenant: str, **changes: Any) -> MobileDevice:
    """An iPhone of the user u-1."""
    fields: dict[str, Any] = {
        "tenant": tenant,
        "id": uuid7(),
        "owner": "u-1",
        "account_id": "0" * 32,
        "kind": REST,
        "user": "",
        "platform": "ios",
        "key_hash": "ab" * 32,
        "service": "apns",
        "push_kind": "voip",
        "push_token": "01" * 32,
        "alert_token": "02" * 32,
        "environment": "production",
        "bundle_id": "com.example.app",
        "team": "",
        "p256dh": "",
        "auth": "",
        "active": True,
        "disabled_why": "",
        "created_at": 1000.0,
        "registered_at": 1000.0,
        "seen_at": 1100.0,
    }
    return MobileDevice(**(fields | changes))


def a_mobile_call(tenant: str, **changes: Any) -> MobileCall:
    """A device's part in a call that rings."""
    fields: dict[str, Any] = {
        "tenant": tenant,
        "id": uuid7(),
        "call": uuid7(),
        "leg": "2",
        "device_id": uuid7(),
        "owner": "u-1",
        "state": "ringing",
        "body": "{}",
        "updated_at": 1000.0,
    }
    return MobileCall(**(fields | changes))
