"""What the load generators and the kernel say, as samples."""

import pytest

from bench import calls, register, relay
from bench.process import BenchError
from bench.procfs import proportional_bytes, stat_fields
from bench.sip_servers import CALL_SERVERS

REGISTER_RESULT = {"ok": 1000, "failed": 10, "last_failure": 403, "per_s": 500, "p99_us": 900}
RTP_RESULT = {
    "calls": 100,
    "sent": 3000,
    "received": 3000,
    "loss_pct": 0,
    "seconds": 3.0,
    "srtp": 0,
    "p99_us": 70,
    "p50_us": 40,
}
SIPP_STATISTICS = (
    "StartTime;SuccessfulCall(C);FailedCall(C);Retransmissions(C);\n"
    "2026;10;0;0;\n"
    "2026;598;2;5;\n"
)  # fmt: skip


def test_cpu_of_a_registration_is_over_the_successful_ones() -> None:
    found = register.sample("kamailio", REGISTER_RESULT, cpu_s=0.1, wall_s=2.0)
    assert (found.cpu_us, found.per_s, found.busy) == (100.0, 500, 0.05)
    assert found.failed == pytest.approx(10 / 1010)


def test_a_registrar_that_refuses_everything_is_an_error_with_its_status() -> None:
    with pytest.raises(BenchError, match="403"):
        register.sample("kamailio", {**REGISTER_RESULT, "ok": 0}, cpu_s=0.1, wall_s=2.0)


def test_cpu_of_a_packet_counts_those_of_the_warm_up_too() -> None:
    found = relay.sample("rtpengine", RTP_RESULT, cpu_s=0.04, wall_s=4.0)
    assert found.cpu_us == pytest.approx(10.0)
    assert found.measure == "relayed packet, 100 calls"


def test_a_relay_that_gave_back_more_than_was_counted_lost_nothing() -> None:
    assert relay.sample("rtpengine", {**RTP_RESULT, "loss_pct": -0.1}, 0.04, 4.0).failed == 0.0


def test_srtp_is_a_measure_of_its_own() -> None:
    assert relay.sample("rtpengine", {**RTP_RESULT, "srtp": 1}, 0.04, 4.0).measure.endswith(
        "SRTP on one side"
    )


def test_a_silent_relay_is_an_error() -> None:
    with pytest.raises(BenchError, match="none of 3000"):
        relay.sample("rtpengine", {**RTP_RESULT, "received": 0}, 0.04, 4.0)


def test_the_outcome_of_calls_is_sipps_last_line() -> None:
    assert calls.read_outcome(SIPP_STATISTICS) == calls.Outcome(598, 2, 5)


def test_no_statistics_is_an_error() -> None:
    with pytest.raises(BenchError, match="statistics"):
        calls.read_outcome("SuccessfulCall(C);FailedCall(C)\n")


def test_a_server_that_does_not_challenge_is_named_so() -> None:
    load, outcome = calls.Load(600, 200, 20), calls.Outcome(600, 0, 0)
    names = [calls.sample(server, load, outcome, 0.3, 3.0).server for server in CALL_SERVERS]
    assert names == ["trunkline", "sippy (no challenge)", "kamailio proxy"]


def test_a_command_with_blanks_and_brackets_does_not_shift_the_fields() -> None:
    assert stat_fields("7 (tmux: a) b) S 1 7")[:2] == ["S", "1"]


def test_memory_is_the_proportional_share() -> None:
    assert proportional_bytes("Rss:  2000 kB\nPss:  1500 kB\nPss_Anon:  1 kB\n") == 1500 * 1024
