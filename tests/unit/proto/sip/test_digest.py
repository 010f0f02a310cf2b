"""The arithmetic of digest against the published examples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trunkline.proto.sip.digest import HASHES, algorithm_name, digest_response, ha1, strength, userhash

EXAMPLES: dict[str, Any] = json.loads((Path(__file__).parents[3] / "vectors" / "digest.json").read_text())


@pytest.mark.rfc("7616", "3.9")
@pytest.mark.parametrize("example", EXAMPLES["vectors"], ids=lambda example: str(example["id"]))
def test_the_published_examples_come_out(example: dict[str, str]) -> None:
    algorithm = example["algorithm"]
    response = digest_response(
        algorithm,
        ha1(example["username"], example["realm"], example["password"], algorithm),
        example["nonce"],
        example["method"],
        example["uri"],
        qop=example.get("qop", ""),
        nc=example.get("nc", ""),
        cnonce=example.get("cnonce", ""),
    )
    assert response == example["response"]


@pytest.mark.rfc("7616", "3.9.2")
def test_the_published_userhash_comes_out() -> None:
    example = EXAMPLES["userhash"]
    assert userhash(example["username"], example["realm"], example["algorithm"]) == example["value"]


@pytest.mark.rfc("3261", "22.4")
def test_auth_int_covers_the_body_and_an_empty_body_is_hashed_too() -> None:
    secret = ha1("bob", "biloxi.com", "zanzibar", "MD5")

    def response(qop: str, body: bytes) -> str:
        uri = "sip:bob@biloxi.com"
        return digest_response(
            "MD5", secret, "n", "INVITE", uri, qop=qop, nc="00000001", cnonce="c", body=body
        )

    assert len({response("auth-int", b"v=0\r\n"), response("auth-int", b""), response("auth", b"")}) == 3
    assert response("auth", b"v=0\r\n") == response("auth", b"")


def test_the_response_does_not_depend_on_the_length_of_the_uri_alone() -> None:
    secret = ha1("a", "r", "p", "MD5")
    long = "sip:" + "x" * 300
    assert digest_response("MD5", secret, "n", "INVITE", long) != digest_response(
        "MD5", secret, "n", "BYE", long
    )


def test_bytes_that_are_no_utf8_are_hashed_as_they_came() -> None:
    assert ha1("\udcff", "r", "p", "MD5") == HASHES["MD5"](b"\xff:r:p")


@pytest.mark.rfc("8760", "2.1")
def test_stronger_algorithms_rank_higher() -> None:
    assert strength("SHA-512-256") > strength("SHA-256") > strength("MD5") > strength("MD5-sess")
    assert algorithm_name("sha-256") == "SHA-256"
    assert algorithm_name("AKAv1-MD5") == "AKAv1-MD5"
