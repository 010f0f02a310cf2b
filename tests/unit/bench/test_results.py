"""Medians, ratios and the verdict on a load."""

from bench.results import Missing, Report, Sample


def sample(server: str, cpu_us: float, *, failed: float = 0.0, per_s: float = 200.0) -> Sample:
    return Sample("call, 200/s", server, cpu_us, per_s, failed, busy=0.1, asked_per_s=200.0)


def test_a_row_is_the_median_of_the_runs_of_one_server() -> None:
    report = Report(samples=[sample("kamailio", cpu) for cpu in (100.0, 900.0, 140.0)])
    (row,) = report.rows()
    assert (row.cpu_us, row.runs) == (140.0, 3)


def test_the_ratio_is_ours_over_the_peer_of_the_same_measure() -> None:
    report = Report(samples=[sample("trunkline", 300.0), sample("sippy", 4000.0)])
    ours, peer = report.rows()
    assert ours.ours_to_this is None
    assert peer.ours_to_this == 0.075


def test_no_ratio_without_a_figure_of_ours_in_the_same_measure() -> None:
    other = Sample("REGISTER", "trunkline", 100.0, 5000.0, 0.0, 1.0)
    report = Report(samples=[other, sample("sippy", 4000.0)])
    assert [row.ours_to_this for row in report.rows()] == [None, None]


def test_servers_that_took_turns_come_together_again() -> None:
    turns = ["trunkline", "sippy", "trunkline", "sippy"]
    rows = Report(samples=[sample(server, 1.0) for server in turns]).rows()
    assert [(row.server, row.runs) for row in rows] == [("trunkline", 2), ("sippy", 2)]


def test_a_load_with_failures_or_short_of_its_rate_is_not_sustained() -> None:
    failing = sample("a", 1.0, failed=0.002)
    slow = sample("b", 1.0, per_s=170.0)
    good = sample("c", 1.0, failed=0.0005, per_s=195.0)
    assert [row.sustained for row in Report(samples=[failing, slow, good]).rows()] == [False, False, True]


def test_json_names_rows_memory_and_what_is_missing() -> None:
    report = Report(
        samples=[sample("trunkline", 300.0)], missing=[Missing("kamailio", "apt-get install kamailio")]
    )
    result = report.as_json()
    assert result["rows"][0]["sustained"] is True
    assert result["samples"][0]["cpu_us"] == 300.0
    assert result["missing"] == [{"server": "kamailio", "why": "apt-get install kamailio"}]
