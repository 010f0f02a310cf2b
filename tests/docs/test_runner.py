"""The runner of the documentation's commands notices what is wrong, and only that."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import Fence, MarkError, commands, matches, read_fences
from tests.docs.runner import PageFailed, PageRunner


def fence(text: str, mark: str = "run", language: str = "console") -> Fence:
    (only,) = read_fences(f"<!-- {mark} -->\n```{language}\n{text}\n```\n")
    return only


def test_marks_are_read() -> None:
    page = "text\n<!-- run -->\n```console\n$ a\n```\n```toml\nx = 1\n```\n"
    page += "<!-- not run: needs sound -->\n~~~sh\nb\n~~~\n"
    assert [(f.line, f.language, f.kind, f.detail) for f in read_fences(page)] == [
        (3, "console", "run", ""),
        (6, "toml", "unmarked", ""),
        (10, "sh", "not run", "needs sound"),
    ]


@pytest.mark.parametrize("mark", ["run twice", "not run", "not run:", "write", "run, exit x", "write a/b"])
def test_a_mark_that_says_nothing_is_an_error(mark: str) -> None:
    with pytest.raises(MarkError, match="line 2"):
        fence("$ true", mark)


def test_a_mark_without_a_fence_is_an_error() -> None:
    with pytest.raises(MarkError, match="right above a fence"):
        read_fences("<!-- run -->\n\n```console\n$ true\n```\n")


def test_other_comments_are_no_marks() -> None:
    assert read_fences("<!-- a note about running -->\ntext\n") == []


def test_a_fence_within_a_longer_fence_is_its_text() -> None:
    (outer,) = read_fences("````markdown\n```sh\nrm -rf /\n```\n````\n")
    assert not outer.is_shell


def test_console_lines_are_commands_with_their_output() -> None:
    found = commands(fence("$ one \\\n  --long\nout\n\nput\n$ two"))
    assert [(c.line, c.text, c.expected) for c in found] == [
        (3, "one \\\n  --long", "out\n\nput"),
        (8, "two", None),
    ]


def test_output_before_any_command_is_an_error() -> None:
    with pytest.raises(MarkError, match="COMMAND"):
        commands(fence("out\n$ one"))


@pytest.mark.parametrize(
    ("expected", "actual", "equal"),
    [
        ("a", "a\n", True),
        ("a", "a\nb\n", False),
        ("a\n...", "a\nb\nc\n", True),
        ("a\n...", "a\n", True),
        ("...\nc", "a\nb\nc\n", True),
        ("...\nc", "a\nb\n", False),
        ("port ... open", "port 5060 open\n", True),
        ("port ... open", "port 5060\nopen\n", False),
        ("a.c", "abc\n", False),
        ("a  ", "a\n", True),
    ],
)
def test_output_is_compared_with_wildcards(expected: str, actual: str, equal: bool) -> None:
    assert matches(expected, actual) is equal


def test_commands_run_in_their_folder_and_write_is_seen(tmp_path: Path) -> None:
    with PageRunner(tmp_path) as runner:
        runner.run(fence("x = 1", "write settings.toml", "toml"))
        runner.run(fence('$ cat settings.toml\nx = 1\n$ echo "$TRUNKLINE_DATA"\n.../data'))
    assert (tmp_path / "settings.toml").read_text() == "x = 1\n"


@pytest.mark.parametrize(
    ("text", "mark", "problem"),
    [
        ("$ false", "run", "ended with 1, not 0"),
        ("$ true", "run, exit 2", "ended with 0, not 2"),
        ("$ echo other\nthis", "run", "printed something else"),
        ("$ echo other\nthis", "run in the background", "did not print"),
    ],
)
def test_what_goes_wrong_is_reported_with_its_line(
    tmp_path: Path, text: str, mark: str, problem: str
) -> None:
    with PageRunner(tmp_path) as runner, pytest.raises(PageFailed, match=f"(?s)line 3: .*{problem}"):
        runner.run(fence(text, mark))


def test_the_expected_exit_status_passes(tmp_path: Path) -> None:
    with PageRunner(tmp_path) as runner:
        runner.run(fence("$ exit 2", "run, exit 2"))


def test_what_is_not_to_run_is_not_run(tmp_path: Path) -> None:
    with PageRunner(tmp_path) as runner:
        runner.run(fence("touch seen", "not run: it leaves a trace", "sh"))
    assert list(tmp_path.iterdir()) == []


_SERVER = "bash -c 'trap \"exit {code}\" TERM; echo ready; while :; do read -t 0.05 <> <(:) || :; done'"


def test_a_command_in_the_background_lives_until_the_end_of_the_page(tmp_path: Path) -> None:
    with PageRunner(tmp_path) as runner:
        runner.run(fence(f"$ {_SERVER.format(code=0)}\nready", "run in the background"))
        ((_, process, _),) = runner._background
        assert process.poll() is None
    assert process.returncode == 0


def test_a_background_command_that_ends_badly_fails_the_page(tmp_path: Path) -> None:
    with pytest.raises(PageFailed, match="ended with 3 after SIGTERM"), PageRunner(tmp_path) as runner:
        runner.run(fence(f"$ {_SERVER.format(code=3)}\nready", "run in the background"))
