"""Tokens, quoted strings, lists and parameters."""

from __future__ import annotations

import pytest

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.grammar import (
    excerpt,
    first_element,
    is_token,
    parse_parameters,
    quote,
    render_parameters,
    split_list,
    unquote,
)


@pytest.mark.parametrize(
    ("value", "elements"),
    [
        ("", []),
        ("  ", []),
        ("INVITE", ["INVITE"]),
        ("INVITE, ACK ,BYE", ["INVITE", "ACK", "BYE"]),
        ("INVITE\nACK,BYE", ["INVITE", "ACK", "BYE"]),
        ("a,,b,", ["a", "b"]),
        ('"Bell, Alexander" <sip:a@b>,<sip:c@d>', ['"Bell, Alexander" <sip:a@b>', "<sip:c@d>"]),
        ('"say \\", then" <sip:a@b>, <sip:c@d>', ['"say \\", then" <sip:a@b>', "<sip:c@d>"]),
        ('"esc \\\\", <sip:c@d>', ['"esc \\\\"', "<sip:c@d>"]),
        ("<sip:a,b@c>\n<sip:d@e>;x=1", ["<sip:a,b@c>", "<sip:d@e>;x=1"]),
        ('<sip:a@b>;x="1,2\t;3", <sip:c@d>', ['<sip:a@b>;x="1,2\t;3"', "<sip:c@d>"]),
    ],
)
@pytest.mark.rule("T-40")
def test_a_list_is_split_at_commas_outside_of_quotes_and_brackets(value: str, elements: list[str]) -> None:
    assert split_list(value) == elements


@pytest.mark.parametrize("value", ['"open, <sip:a@b>', "<sip:a@b, <sip:c@d>\nx", '"open\n" , b', "a, <b"])
def test_an_unclosed_quote_or_bracket_in_a_list_is_an_error(value: str) -> None:
    with pytest.raises(RemoteProtocolError, match="not closed"):
        split_list(value)


def test_the_first_element_tells_where_it_ended() -> None:
    assert first_element(" a , b") == ("a", 3)
    assert first_element("a,b", 2) == ("b", 3)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("", {}),
        (";lr", {"lr": None}),
        ("lr;x=1", {"lr": None, "x": "1"}),
        (";Tag=AbC;LR", {"tag": "AbC", "lr": None}),
        (" ;   tag    = 1918181833n", {"tag": "1918181833n"}),
        (';+sip.instance="<urn:uuid:1>";reg-id=1', {"+sip.instance": "<urn:uuid:1>", "reg-id": "1"}),
        (';a="x;b=y";c', {"a": "x;b=y", "c": None}),
        (';a="say \\"x\\""', {"a": 'say "x"'}),
        (";received=[2001:db8::9:255]", {"received": "[2001:db8::9:255]"}),
        (";received=2001:db8::9:255", {"received": "2001:db8::9:255"}),
        (";tag=1;tag=2", {"tag": "1"}),
        (";x=", {"x": ""}),
        (";lr;", {"lr": None}),
        (";fromParam''~+*_!.-%=\"работающий\"", {"fromparam''~+*_!.-%": "работающий"}),
    ],
)
def test_parameters_are_read(text: str, parameters: dict[str, str | None]) -> None:
    assert parse_parameters(text) == parameters


@pytest.mark.rfc("4475", "3.1.2.1")
@pytest.mark.parametrize(
    "text", [";;;;", ";;,;,,", ";a;;b", ";=x", ';a="open', ";a b", ";a=b c", ";a=<b>", ";a,b"]
)
def test_malformed_parameters_are_an_error(text: str) -> None:
    with pytest.raises(RemoteProtocolError, match="malformed parameter"):
        parse_parameters(text)


def test_rendered_parameters_are_quoted_only_where_they_must_be() -> None:
    parameters = {
        "lr": None,
        "tag": "a-1",
        "maddr": "[::1]",
        "+sip.instance": "<urn:uuid:1>",
        "x": 'a"b',
        "e": "",
    }
    text = render_parameters(parameters)
    assert text == ';lr;tag=a-1;maddr=[::1];+sip.instance="<urn:uuid:1>";x="a\\"b";e=""'
    assert parse_parameters(text) == parameters


def test_quoting_is_undone_by_unquoting() -> None:
    for text in ("", "plain", 'a "b" \\c', "Jürgen", "tab\t"):
        assert unquote(quote(text)) == text


def test_quoting_lets_no_line_break_through() -> None:
    assert quote("x\r\nVia: evil\x00") == '"x  Via: evil "'


def test_text_without_quotes_is_not_unquoted() -> None:
    assert unquote("token") == "token"
    assert unquote('"') == '"'


def test_tokens_are_ascii() -> None:
    assert is_token("-.!%*_+`'~aZ9")
    for text in ("", "a b", "a\n", "é", "\u212a", "a:b", "²"):
        assert not is_token(text)


def test_an_excerpt_is_short_and_printable() -> None:
    assert excerpt("\x00é\udc80" * 100).isprintable()
    assert len(excerpt("a" * 1000)) == 42
