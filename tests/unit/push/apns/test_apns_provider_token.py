"""Provider tokens: how they look, when they are renewed, and what Apple's complaints do; in virtual time."""

from __future__ import annotations

import base64
import itertools
import json
import os
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from trunkline.base.errors import ConfigError
from trunkline.push.apns.plan import ApnsKey
from trunkline.push.apns.provider_token import PROCESS, ProviderToken, ProviderTokens

TEAM, KEY_ID = "TEAM000001", "KEY0000001"
NOON = 1_800_000_000.0


class Clock:
    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def pem_of(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


PRIVATE = ec.generate_private_key(ec.SECP256R1())
KEY = ApnsKey(KEY_ID, pem=pem_of(PRIVATE))


def token(clock: Clock, key: ApnsKey = KEY) -> ProviderToken:
    made = ProviderToken(TEAM, key, wall=clock)
    made.load()
    return made


def part(text: bytes, number: int) -> bytes:
    value = text.removeprefix(b"bearer ").split(b".")[number]
    return base64.urlsafe_b64decode(value + b"=" * (-len(value) % 4))


def issued(text: bytes) -> int:
    found = json.loads(part(text, 1))["iat"]
    assert isinstance(found, int)
    return found


def verify(text: bytes, public: ec.EllipticCurvePublicKey) -> None:
    signature = part(text, 2)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    said = text.removeprefix(b"bearer ").rpartition(b".")[0]
    public.verify(encode_dss_signature(r, s), said, ec.ECDSA(hashes.SHA256()))


@pytest.mark.rfc("7518", "3.4")
def test_a_token_names_key_and_team_and_is_signed_with_es256() -> None:
    clock = Clock()
    text = token(clock).current()
    assert json.loads(part(text, 0)) == {"alg": "ES256", "kid": KEY_ID}
    assert json.loads(part(text, 1))["iss"] == TEAM
    assert NOON - 1350 <= issued(text) <= NOON
    verify(text, PRIVATE.public_key())
    with pytest.raises(InvalidSignature):
        verify(text, ec.generate_private_key(ec.SECP256R1()).public_key())


def test_it_is_renewed_at_45_minutes_and_never_within_20() -> None:
    clock = Clock()
    one = token(clock)
    texts, changes = {one.current()}, [clock.now]
    for _ in range(8 * 60):
        clock.now += 60
        text = one.current()
        assert clock.now - issued(text) <= 46 * 60
        if text not in texts:
            texts.add(text)
            changes.append(clock.now)
    assert len(changes) > 8
    assert min(later - earlier for earlier, later in itertools.pairwise(changes)) >= 20 * 60


def test_a_process_that_starts_again_makes_the_same_token() -> None:
    clock = Clock(NOON // 1350 * 1350 + 10)
    first = token(clock).current()
    clock.now += 1000
    assert token(clock).current() == first


def test_there_is_one_token_for_a_team_and_key_whoever_asks() -> None:
    tokens = ProviderTokens(Clock())
    assert tokens.of(TEAM, KEY) is tokens.of(TEAM, KEY)
    assert tokens.of(TEAM, KEY) is not tokens.of("TEAM000002", KEY)
    assert isinstance(PROCESS, ProviderTokens)


def test_a_key_that_moves_to_another_file_goes_on_with_its_token(tmp_path: Path) -> None:
    clock, paths = Clock(), [tmp_path / "a.p8", tmp_path / "b.p8"]
    tokens = ProviderTokens(clock)
    for path in paths:
        path.write_text(pem_of(PRIVATE))
    before, after = (tokens.of(TEAM, ApnsKey(KEY_ID, path)) for path in paths)
    assert before.expired(before.current())
    assert (after.current(), after.count) == (before.current(), 2)
    before.too_many()
    assert after.paused
    paths[0].unlink()  # who still sends with the one before is not disturbed
    clock.now += 11
    assert before.current() == after.current()


def test_another_key_of_the_same_name_changes_nothing_for_who_has_the_one_before() -> None:
    clock = Clock()
    tokens = ProviderTokens(clock)
    others, ours = tokens.of_one_pusher(), tokens.of_one_pusher()
    before = ours.of(TEAM, KEY).current()
    other = ec.generate_private_key(ec.SECP256R1())
    verify(others.of(TEAM, ApnsKey(KEY_ID, pem=pem_of(other))).current(), other.public_key())
    assert ours.of(TEAM, KEY).current() == before
    assert ours.of(TEAM, KEY).count == 1


@pytest.mark.scenario(7)
def test_a_hundred_complaints_that_it_is_expired_make_one_new_token() -> None:
    clock = Clock()
    one = token(clock)
    used = one.current()
    assert [one.expired(used) for _ in range(100)] == [True] * 100
    assert one.count == 2
    assert one.current() != used
    verify(one.current(), PRIVATE.public_key())


@pytest.mark.scenario(7)
def test_when_the_new_one_is_called_expired_too_there_is_no_third_for_20_minutes() -> None:
    clock = Clock()
    one = token(clock)
    assert one.expired(one.current())
    assert not one.expired(one.current())
    clock.now += 19 * 60
    assert not one.expired(one.current())
    clock.now += 61
    assert one.expired(one.current())


@pytest.mark.scenario(7)
def test_after_too_many_updates_none_is_made_for_20_minutes() -> None:
    clock = Clock()
    one = token(clock)
    clock.now = issued(one.current()) + 44 * 60
    used = one.current()
    one.too_many()
    assert [one.paused, one.expired(used)] == [True, False]
    clock.now += 19 * 60
    one.too_many()  # said again of a request that was under way
    assert one.current() == used
    clock.now += 61
    assert not one.paused  # a property, and time has passed
    assert one.current() != used
    assert one.count == 2


def test_a_clock_that_was_set_back_does_not_make_a_token_that_lasts() -> None:
    clock = Clock()
    one = token(clock)
    one.current()
    clock.now -= 86_400
    assert issued(one.current()) <= clock.now


def test_a_key_file_that_changes_is_read_again(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "AuthKey.p8"
    path.write_text(pem_of(PRIVATE))
    one = token(clock, ApnsKey(KEY_ID, path))
    before = one.current()
    path.write_text("no key")
    clock.now += 11
    assert one.current() == before
    other = ec.generate_private_key(ec.SECP256R1())
    path.write_text(pem_of(other) + "\n")
    clock.now += 11
    verify(one.current(), other.public_key())


def test_another_key_file_of_the_same_time_is_read(tmp_path: Path) -> None:
    clock, path, fresh = Clock(), tmp_path / "AuthKey.p8", tmp_path / "fresh.p8"
    other = ec.generate_private_key(ec.SECP256R1())
    for file, key in ((path, PRIVATE), (fresh, other)):
        file.write_text(pem_of(key))
        os.utime(file, (NOON, NOON))
    one = token(clock, ApnsKey(KEY_ID, path))
    verify(one.current(), PRIVATE.public_key())
    fresh.replace(path)
    clock.now += 11
    verify(one.current(), other.public_key())


def test_a_key_that_is_written_late_is_taken_without_another_start(tmp_path: Path) -> None:
    tokens, path = ProviderTokens(Clock()), tmp_path / "AuthKey.p8"
    with pytest.raises(ConfigError):
        tokens.of(TEAM, ApnsKey(KEY_ID, path))
    path.write_text(pem_of(PRIVATE))
    verify(tokens.of(TEAM, ApnsKey(KEY_ID, path)).current(), PRIVATE.public_key())


@pytest.mark.parametrize(
    ("key", "seen"),
    [
        (ApnsKey(KEY_ID), "nothing"),
        (ApnsKey(KEY_ID, Path("/no/such.p8")), "/no/such.p8, which cannot be read: No such file"),
        (ApnsKey(KEY_ID, pem="secret-text"), "a text, which holds no PEM private key"),
        (ApnsKey(KEY_ID, pem=pem_of(rsa.generate_private_key(65537, 2048))), "not of the curve P-256"),
        (ApnsKey(KEY_ID, pem=pem_of(ec.generate_private_key(ec.SECP384R1()))), "not of the curve P-256"),
    ],
)
def test_a_key_that_cannot_be_used_is_a_wrong_setting(key: ApnsKey, seen: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ProviderTokens(Clock()).of(TEAM, key)
    assert caught.value.key == "push.apns.key_path"
    assert seen in str(caught.value)
    assert "secret-text" not in str(caught.value)
    assert "secret-text" not in repr(key)
