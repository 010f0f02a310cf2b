"""What a terminal and a pipe are shown."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.unit.app.fakes import call_row, explanation, registration_row, status
from trunkline.app.addresses import HostAddresses
from trunkline.app.first_start import StartReport, first_extensions, show_start, start_report
from trunkline.app.render import CALLS, REGISTRATIONS, clock, duration, media_of, remaining, show_status
from trunkline.app.render_stories import show_explanation
from trunkline.app.settings.file import load_settings
from trunkline.app.terminal import Screen, safe
from trunkline.base.messages import CallParty, PushServiceRow


class Paper:
    """A screen whose two outputs can be read."""

    def __init__(self, *, terminal: bool, width: int = 120, no_color: bool = False) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        make = {"force_terminal": terminal, "width": width, "highlight": False, "no_color": no_color}
        self.screen = Screen(
            Console(file=self.out, color_system="standard" if terminal else None, **make),  # type: ignore[arg-type]
            Console(file=self.err, color_system="standard" if terminal else None, **make),  # type: ignore[arg-type]
        )


def test_a_pipe_gets_whole_plain_columns_however_narrow() -> None:
    paper = Paper(terminal=False, width=20)
    paper.screen.table(CALLS, [call_row()], "none")
    head, row = paper.out.getvalue().splitlines()
    assert head.startswith("CALL  FROM")
    assert row.endswith("1:15      2     relay")


def test_an_empty_list_is_a_header_in_a_pipe_and_a_sentence_on_a_terminal() -> None:
    pipe, terminal = Paper(terminal=False), Paper(terminal=True)
    pipe.screen.table(CALLS, [], "No calls are up.")
    terminal.screen.table(CALLS, [], "No calls are up.")
    assert pipe.out.getvalue().split() == [column.title for column in CALLS]
    assert "No calls are up." in terminal.out.getvalue()


def test_a_terminal_gets_colours_and_no_color_takes_them_away() -> None:
    colour, plain = Paper(terminal=True), Paper(terminal=True, no_color=True)
    for paper in (colour, plain):
        paper.screen.table(CALLS, [call_row()], "")
    assert "\x1b[32m" in colour.out.getvalue()
    assert "\x1b[32m" not in plain.out.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_what_comes_from_the_network_cannot_steer_the_terminal(terminal: bool) -> None:
    paper = Paper(terminal=terminal)
    paper.screen.table(REGISTRATIONS, [registration_row()], "")
    assert "\x1b[2J" not in paper.out.getvalue()
    assert "Phone\ufffd[2J 1.0" in paper.out.getvalue().replace("\n", "")
    assert safe("[red]x[/red]\x07") == "[red]x[/red]\ufffd"


def test_json_is_one_line_in_a_pipe() -> None:
    pipe, terminal = Paper(terminal=False), Paper(terminal=True)
    for paper in (pipe, terminal):
        paper.screen.json([call_row()])
    assert pipe.out.getvalue().count("\n") == 1
    assert json.loads(pipe.out.getvalue()) == json.loads(terminal.out.getvalue())


def test_a_story_is_told_on_a_terminal_too() -> None:
    paper = Paper(terminal=True, width=160)
    show_explanation(paper.screen, explanation("1001 dials 1002"))
    text = paper.out.getvalue()
    assert "12 ms" in text
    assert "route.extension" in text
    assert "contacts=2" in text


def test_status_warns_on_standard_error() -> None:
    paper = Paper(terminal=False)
    show_status(paper.screen, status())
    assert "media ports  4 open, 96 free" in paper.out.getvalue()
    assert paper.err.getvalue() == "warning: disk is full\n"


def test_status_tells_of_apps_where_there_are_any() -> None:
    paper = Paper(terminal=False)
    show_status(paper.screen, status())
    assert "push" not in paper.out.getvalue()
    services = (PushServiceRow("apns", "ready"), PushServiceRow("fcm", "failing", "no key"))
    apps: dict[str, Any] = {
        "devices": 3,
        "devices_disabled": 1,
        "accounts": {"registered": 2, "error": 1},
        "push": services,
    }
    show_status(paper.screen, replace(status(), **apps))
    lines = [line.split(maxsplit=1) for line in paper.out.getvalue().splitlines()]
    assert ["devices", "3, 1 cannot be pushed"] in lines
    assert ["accounts", "1 error, 2 registered"] in lines
    assert ["push", "apns ready, fcm failing"] in lines


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0:00"), (7.9, "0:07"), (750, "12:30"), (10_931, "3:02:11"), (90_061, "1d 01:01:01")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
    assert clock(None) == ""


def report() -> StartReport:
    loaded = load_settings(host=HostAddresses("192.0.2.7"), env={"TRUNKLINE_DATA": "/srv/t"})
    bound = ("udp:0.0.0.0:5060", "tls:0.0.0.0:5061")
    return start_report(loaded, "0.1.0", bound, first_extensions(), metrics_port=9090)


def test_a_phone_is_told_the_port_that_was_really_bound() -> None:
    loaded = load_settings(overrides={"sip.listen": ["tcp:[::1]:0"]}, host=HostAddresses(), env={})
    assert start_report(loaded, "0.1.0", ("tcp:[::1]:36152",)).server == "[::1]:36152"
    assert start_report(loaded, "0.1.0", ("tcp:[::1]:5060",)).server == "[::1]"


@pytest.mark.parametrize("terminal", [True, False])
def test_the_first_start_says_all_that_a_phone_needs(terminal: bool) -> None:
    paper = Paper(terminal=terminal, width=140)
    made = report()
    show_start(paper.screen, made)
    text = paper.out.getvalue()
    for one in made.extensions:
        assert one.number in text
        assert one.password in text
    for said in (
        "192.0.2.7",
        "0.0.0.0  udp 5060, tls 5061",
        "transport UDP or TLS",
        "/srv/t ($TRUNKLINE_DATA)",
        "9196 for echo",
        "user name 1001",
    ):
        assert said in text
    assert "http://127.0.0.1:9090/metrics" in text


def test_a_later_start_shows_no_password() -> None:
    paper = Paper(terminal=False)
    loaded = load_settings(host=HostAddresses("192.0.2.7"), env={"TRUNKLINE_DATA": "/srv/t"})
    show_start(paper.screen, start_report(loaded, "0.1.0", ()))
    assert "password" not in paper.out.getvalue()


def test_no_password_is_in_the_repr_of_a_report() -> None:
    made = report()
    assert made.extensions[0].password not in repr(made)
    assert made.extensions[0].password != made.extensions[1].password


def test_who_named_the_data_folder_is_told_that_commands_need_it_too(tmp_path: Path) -> None:
    named = load_settings(data=tmp_path / "a b", host=HostAddresses("192.0.2.7"), env={})
    paper = Paper(terminal=False)
    show_start(paper.screen, start_report(named, "0.1.0", ()))
    assert f"each with --data '{tmp_path}/a b'" in paper.out.getvalue()
    assert report().option == ""


def test_what_is_left_is_not_a_second_more_for_the_noise_of_a_clock() -> None:
    assert remaining(43_200.000_000_7) == "12:00:00"
    assert remaining(43_199.2) == "12:00:00"


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        ({}, {}, "relay"),
        ({"security": "dtls"}, {}, "relay, dtls/plain"),
        ({"security": "sdes"}, {"security": "sdes"}, "relay, sdes/sdes"),
        ({"codec": "PCMA"}, {"codec": "PCMA"}, "relay"),
        ({"codec": "opus", "converted": True}, {"codec": "PCMA", "converted": True}, "relay, opus/PCMA"),
        ({"kernel": True}, {}, "relay, kernel one way"),
        ({"kernel": True}, {"kernel": True}, "relay, kernel"),
    ],
)
def test_the_media_of_a_call_are_told_in_few_words(
    one: dict[str, Any], other: dict[str, Any], shown: str
) -> None:
    parties = (CallParty("1001", **one), CallParty("1002", **other))
    assert media_of(replace(call_row(), parties=parties)) == shown


def test_a_recording_and_a_room_are_told() -> None:
    row = replace(call_row(), media="service", conference="42", recording="/data/a.wav")
    assert media_of(row) == "service, room 42, recorded"
