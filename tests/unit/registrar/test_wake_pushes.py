"""The notifications that wake phones with a SIP stack of their own."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from trunkline.push.notification import Fate, Notification, Outcome, Purpose
from trunkline.registrar.ports import Wake, WakeReason
from trunkline.registrar.push_record import PushRecord
from trunkline.registrar.wake_pushes import KEEP_S, PushWaker

NOW = 1_800_000_000.0
BOTH = PushRecord("a", "301", "apns", "aaa:remote&bbb:voip", "TEAM.org.phone.remote&voip", "", NOW)
VOIP = PushRecord("a", "301", "apns", "bbb", "TEAM.org.phone.voip", "", NOW)
CALL = Wake(WakeReason.CALL, "1001@pbx.test", "Alice", "call-id-1", NOW + 20)


class Sent:
    """Takes notifications."""

    def __init__(self) -> None:
        self.all: list[Notification] = []

    async def __call__(self, notification: Notification) -> Fate:
        self.all.append(notification)
        return Fate(Outcome.SENT, 200)


async def sent(record: PushRecord, wake: Wake, *, shows: bool = True) -> Notification:
    out = Sent()
    assert (await PushWaker(out, lambda: NOW, lambda: shows).wake(record, wake)).sent
    (one,) = out.all
    return one


@pytest.mark.scenario(16)
@pytest.mark.rfc("8599", "10")
async def test_a_call_goes_to_the_token_for_calls_now_or_never() -> None:
    one = await sent(BOTH, CALL)
    assert (one.address.token, one.address.kind, one.purpose) == ("bbb", "voip", Purpose.CALL)
    assert one.expires_at == 0
    assert one.data == {
        "type": "incoming_call",
        "callId": "call-id-1",
        "call-id": "call-id-1",
        "callerUri": "1001@pbx.test",
        "from-uri": "sip:1001@pbx.test",
        "callerName": "Alice",
        "display-name": "Alice",
        "expiresAt": f"{datetime.fromtimestamp(NOW + 20, UTC):%Y-%m-%dT%H:%M:%SZ}",
    }


async def test_who_calls_is_named_only_where_the_operator_lets_it() -> None:
    one = await sent(BOTH, CALL, shows=False)
    assert "Alice" not in f"{one.data}{one.title}{one.body}"
    assert "1001" not in f"{one.data}{one.title}{one.body}"


@pytest.mark.rfc("8599", "5.5")
@pytest.mark.parametrize("reason", [each for each in WakeReason if each is not WakeReason.CALL])
async def test_what_is_no_call_never_goes_to_a_token_for_calls(reason: WakeReason) -> None:
    one = await sent(BOTH, Wake(reason))
    assert (one.address.token, one.address.kind) == ("aaa", "alert")
    assert one.purpose is (Purpose.ALERT if reason is WakeReason.MESSAGE else Purpose.BACKGROUND)
    assert one.expires_at == NOW + KEEP_S
    out = Sent()
    fate = await PushWaker(out, lambda: NOW).wake(VOIP, Wake(reason))
    assert not fate.sent
    assert not out.all


async def test_a_token_that_proved_to_be_of_the_other_environment_stays_there() -> None:
    flipped = PushRecord("a", "301", *BOTH.key, "", NOW, "sandbox")
    assert (await sent(flipped, CALL)).address.environment == "sandbox"
