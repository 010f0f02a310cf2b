"""The report as people read it."""

from bench.results import Memory, Missing, Report, Sample
from bench.table import number, render


def test_numbers_keep_three_digits() -> None:
    assert [number(value) for value in (0.0754, 9.75, 157.4, 50030.0, None)] == [
        "0.0754",
        "9.75",
        "157",
        "50030",
        "-",
    ]


def test_the_table_lines_up_and_says_what_is_missing() -> None:
    report = Report(
        samples=[
            Sample("REGISTER", "trunkline", 110.0, 8000.0, 0.0, 0.9, 5000.0, p50_us=2000.0),
            Sample("REGISTER", "kamailio", 55.0, 15000.0, 0.0, 0.8, 700.0),
        ],
        memories=[Memory("contact", "trunkline", 2048.0, 1000, settled=True)],
        missing=[Missing("sippy", "no network")],
    )
    assert render(report) == (
        "measure   server     CPU us/unit  units/s  CPU  failed  p50 us  p99 us  ours/this\n"
        "--------  ---------  -----------  -------  ---  ------  ------  ------  ---------\n"
        "REGISTER  trunkline          110     8000  90%       0    2000    5000          -\n"
        "REGISTER  kamailio            55    15000  80%       0       -     700          2\n"
        "\n"
        "held     server     bytes each  units  transactions\n"
        "-------  ---------  ----------  -----  ------------\n"
        "contact  trunkline        2048   1000          gone\n"
        "\n"
        "not measured: sippy: no network\n"
    )


def test_a_server_that_did_not_keep_up_is_marked() -> None:
    report = Report(samples=[Sample("call, 1000/s", "sippy", 4760.0, 173.0, 0.0, 0.8, asked_per_s=1000)])
    text = render(report)
    assert "173 !" in text
    assert "! did not keep up" in text
