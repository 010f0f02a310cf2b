"""WWW-Authenticate values."""

from __future__ import annotations

import pytest

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.challenge import Challenge, parse_challenges


@pytest.mark.rfc("8760", "2.4")
def test_challenges_stand_strongest_first_and_unknown_ones_are_left_out() -> None:
    challenges = parse_challenges(
        'Digest realm="r", nonce="1", algorithm=MD5, qop="auth,auth-int"\n'
        'Digest realm="r", nonce="2", algorithm=AKAv1-MD5\n'
        "Bearer abc\n"
        'Digest realm="r", nonce="3", algorithm=SHA-256, stale=TRUE, opaque=""\n'
        'Digest realm="r", nonce="4", algorithm=SHA-512-256\n'
        'Digest realm="s", nonce="5"'
    )
    assert [(each.nonce, each.algorithm) for each in challenges] == [
        ("4", "SHA-512-256"),
        ("3", "SHA-256"),
        ("1", "MD5"),
        ("5", "MD5"),
    ]
    assert [each.qops for each in challenges] == [(), (), ("auth", "auth-int"), ()]
    assert [each.stale for each in challenges] == [False, True, False, False]
    assert [each.opaque for each in challenges] == [None, "", None, None]
    assert [each.named for each in challenges] == [True, True, True, False]


@pytest.mark.parametrize(
    "value", ['Digest nonce="1"', 'Digest realm="r"', 'Digest realm="r", nonce=""', 'Digest realm="r']
)
def test_a_malformed_challenge_is_an_error(value: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_challenges(value)


def test_a_rendered_challenge_reads_back() -> None:
    challenge = Challenge('the "realm"', "n", "SHA-256", qops=("auth", "auth-int"), opaque="o", stale=True)
    (again,) = parse_challenges(challenge.render())
    assert all(getattr(again, name) == getattr(challenge, name) for name in Challenge.__slots__)


@pytest.mark.rfc("7616", "3.3")
def test_algorithm_is_written_bare_and_qop_quoted() -> None:
    text = Challenge("r", "n", "MD5", qops=("auth",)).render()
    assert text == 'Digest realm="r", nonce="n", algorithm=MD5, qop="auth"'
