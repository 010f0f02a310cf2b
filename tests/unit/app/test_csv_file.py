"""CSV files of extensions: good rows come through, bad ones are named with their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkline.app.cli.bad_file import BadFile
from trunkline.app.cli.csv_file import read_extensions
from trunkline.base.messages import ImportRow


def read(tmp_path: Path, text: str | bytes) -> list[ImportRow]:
    file = tmp_path / "f.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_extensions(file)


def test_rows_keep_their_line_numbers(tmp_path: Path) -> None:
    text = 'number,password,name,contact\n1001,pw,"Doe, Jane",\n\n1002,,,sip:a@192.0.2.1\n'
    assert read(tmp_path, text) == [
        ImportRow(2, "1001", "pw", "Doe, Jane", None),
        ImportRow(4, "1002", None, "", "sip:a@192.0.2.1"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "name,number\nJane,1001\n",
        "\ufeffName;Number\r\nJane;1001\r\n",
        " NAME , NUMBER \n Jane , 1001 \n",
    ],
)
def test_columns_may_move_and_semicolons_separate(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == [ImportRow(2, "1001", None, "Jane", None)]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "the header must be number,password,name,contact"),
        ("nummer,password\n1,2\n", 1, "did you mean number?"),
        ("number,number\n1,2\n", 1, "names number twice"),
        ("password\nx\n", 1, "number may not be missing"),
        ("number\na b\n", 2, "the number must be"),
        ("number,password\n1,\x01\n", 2, "the password must have"),
        ("number,contact\n1,mailto:x\n", 2, "the contact must be"),
        (f"number,name\n1,{'x' * 101}\n", 2, "the name must have"),
        ("number,name\n1,a,b\n", 2, "has 3 columns, the header 2"),
        ("number\n1\n2\n1\n", 4, "the number 1 stands in line 2 already"),
        ('number,name\n1,"open\n', 2, "is no CSV"),
        (b"number\n\xff\n", 0, "text in UTF-8"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, text: str | bytes, line: int, said: str) -> None:
    with pytest.raises(BadFile) as caught:
        read(tmp_path, text)
    assert caught.value.problems[0].line == line
    assert said in caught.value.problems[0].detail


def test_every_bad_row_is_listed_up_to_a_bound(tmp_path: Path) -> None:
    with pytest.raises(BadFile) as caught:
        read(tmp_path, "number\n" + "a b\n" * 30)
    assert len([line for line in caught.value.lines() if "the number must be" in line]) == 20
    assert caught.value.lines()[-1].startswith("... and ")


def test_no_password_stands_in_a_problem(tmp_path: Path) -> None:
    with pytest.raises(BadFile) as caught:
        read(tmp_path, "number,password\n1,hunter2\x02\nx y,hunter2\n")
    assert "hunter2" not in " ".join(caught.value.lines())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFile) as caught:
        read_extensions(tmp_path / "none.csv")
    assert "No such file" in caught.value.lines()[0]
