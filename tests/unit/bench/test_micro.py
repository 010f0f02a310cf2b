"""The warm loops run over messages that are what their names say."""

import pytest

from bench import micro
from bench.micro_messages import MESSAGES, varied_credentials
from trunkline.proto.sip.credentials import parse_credentials
from trunkline.proto.sip.digest import ha1
from trunkline.proto.sip.digest_server import Verdict, verify
from trunkline.proto.sip.message import Request, check_request, parse_message
from trunkline.proto.sip.nonce import Nonces


def test_every_case_has_a_cost() -> None:
    costs = micro.measure(batches=1, batch_s=0.0)
    assert len({cost.case for cost in costs}) == len(costs)
    assert all(cost.us > 0 for cost in costs)


def test_the_cost_is_of_one_execution_in_the_fastest_batch() -> None:
    assert (
        0
        < micro.fastest_us(lambda: None, batches=3, batch_s=0.0001)
        < micro.fastest_us(lambda: sum(range(2000)), batches=3, batch_s=0.0001)
    )


@pytest.mark.parametrize("name", MESSAGES)
def test_sample_messages_are_valid(name: str) -> None:
    message = parse_message(MESSAGES[name])
    assert message.cseq[1] in name
    if isinstance(message, Request):
        check_request(message)
        assert message.method == name


def test_sample_credentials_let_their_phone_in() -> None:
    nonces, secret = Nonces(b"k" * 32), ha1("100", "bench.test", "secret", "MD5")
    value = next(varied_credentials(nonces.mint("bench.test", 1000.0), secret))
    verdict = verify(parse_credentials(value), "REGISTER", "bench.test", lambda *_: secret, nonces, 1000.0)
    assert verdict is Verdict.OK
