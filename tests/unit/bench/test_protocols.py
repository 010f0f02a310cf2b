"""The small clients that set up calls: bencode, digest, and the texts they write."""

from pathlib import Path

import pytest

from bench import ng
from bench.digest import credentials, md5_challenge, parameter
from bench.held_calls import Dialog, assemble, header, header_values, status_of
from bench.plan import Address
from bench.process import BenchError
from bench.sip_servers import extensions_csv, trunkline_config
from trunkline.app.cli.csv_file import read_extensions
from trunkline.app.settings.file import load_settings

CHALLENGE = 'Digest realm="bench.test", nonce="abc,=", qop="auth,auth-int", algorithm=MD5'


def test_bencode_keeps_a_whole_command() -> None:
    message: ng.Value = {"command": b"offer", "replace": [b"origin"], "delete-delay": 0, "nested": {"a": b""}}
    assert ng.decode(ng.encode(message)) == message


def test_bencoded_dictionaries_have_their_keys_in_order() -> None:
    assert ng.encode({"b": 1, "a": "x"}) == b"d1:a1:x1:bi1ee"


def test_the_audio_port_of_an_sdp() -> None:
    assert ng.audio_port(ng.sdp(Address("127.0.0.1", 40000))) == 40000
    with pytest.raises(BenchError, match="no audio line"):
        ng.audio_port("v=0\r\n")


def test_a_line_for_rtp_load_has_keys_only_with_srtp() -> None:
    assert ng.Ports(1, 2).line() == "1 2"
    assert ng.Ports(1, 2, "in", "out").line() == "1 2 in out"


def test_a_parameter_is_found_by_its_whole_name() -> None:
    assert parameter('Digest cnonce="no", nonce="yes"', "nonce") == "yes"
    assert parameter(CHALLENGE, "algorithm") == "MD5"
    assert parameter(CHALLENGE, "opaque") == ""


def test_md5_is_chosen_among_stronger_challenges() -> None:
    stronger = CHALLENGE.replace("MD5", "SHA-256")
    assert md5_challenge([stronger, CHALLENGE]) == CHALLENGE
    assert md5_challenge([stronger]) is None


def test_credentials_agree_with_the_example_of_the_rfc() -> None:
    # RFC 2069 form (no qop), as in RFC 2617 §3.5 without its qop: HA1:nonce:HA2.
    challenge = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    value = credentials(challenge, "GET", "/dir/index.html", "Mufasa", "Circle Of Life")
    assert parameter(value, "response") == "670fd8c2df070c60b045671b8b24ff02"
    assert "qop" not in value


def test_credentials_with_qop_count_their_first_use() -> None:
    value = credentials(CHALLENGE, "INVITE", "sip:200@127.0.0.1:5060", "100", "secret")
    assert parameter(value, "nc") == "00000001"
    assert parameter(value, "nonce") == "abc,="


def test_headers_are_read_by_name_whatever_their_case() -> None:
    message = "SIP/2.0 200 OK\r\nVIA: one\r\nvia: two\r\nTo: x\r\n\r\n"
    assert header_values(message, "Via") == ["one", "two"]
    assert header(message, "Contact") == ""
    assert (status_of(message), status_of("BYE sip:a SIP/2.0\r\n")) == (200, 0)


def test_every_request_of_a_dialog_has_a_branch_of_its_own() -> None:
    dialog = Dialog("c1")
    first, second = dialog.request("INVITE", "v=0\r\n").decode(), dialog.request("ACK").decode()
    assert header(first, "Via") != header(second, "Via")
    assert header(first, "Content-Length") == "5"
    assert header(second, "Content-Type") == ""


def test_a_message_ends_with_an_empty_line_before_its_body() -> None:
    assert assemble(["BYE sip:a SIP/2.0"], "") == b"BYE sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n"


def test_trunkline_reads_the_users_and_the_callees_fixed_address(tmp_path: Path) -> None:
    file = tmp_path / "extensions.csv"
    file.write_text(extensions_csv(2))
    rows = read_extensions(file)
    assert [row.number for row in rows] == ["u100000", "u100001", "100", "200"]
    assert rows[-1].contact == "sip:200@127.0.0.3:5070"


def test_trunkline_reads_the_configuration_and_listens_only_on_the_loopback(tmp_path: Path) -> None:
    file = tmp_path / "trunkline.toml"
    file.write_text(trunkline_config())
    settings = load_settings(file, tmp_path).settings
    assert [listener.url for listener in settings.sip.listen] == ["udp:127.0.0.1:5060"]
    assert (settings.domain, settings.media.address) == ("bench.test", "127.0.0.1")
