"""Nothing that arrives raises anything but RemoteProtocolError."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.proto.sdp.samples import SAMPLES
from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sdp import parse_connection, parse_origin, parse_rtcp, parse_rtpmap, parse_session

bodies = st.sampled_from(sorted(SAMPLES.values()))


def read_everything(body: str | bytes) -> None:
    with suppress(RemoteProtocolError):
        session = parse_session(body)
        assert str(parse_session(str(session))) == str(session)
        for media in session.media:
            _ = (media.ptime, media.rtcp_mux, media.direction, media.fmtp(96), repr(media), session.name)
            _ = [media.rtpmap(name) for name in media.formats]
        for media in session.media:
            _ = (session.direction_of(media), media.rtcp, session.connection_of(media), session.origin)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes(body: bytes) -> None:
    read_everything(body)


@settings(deadline=None)
@given(
    st.text(max_size=200),
    st.lists(st.tuples(st.sampled_from("vosctmabz="), st.text(max_size=40)), max_size=12),
)
def test_random_rows(first: str, rows: list[tuple[str, str]]) -> None:
    read_everything(first)
    read_everything("v=0\n" + "\n".join(f"{letter}={value}" for letter, value in rows))


@settings(deadline=None)
@given(bodies, st.data())
def test_mutated_bodies(body: str, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        cut = data.draw(st.integers(0, 6))
        body = body[:at] + data.draw(st.text("=:/ 09aIN\r\n\0.²", max_size=6)) + body[at + cut :]
    read_everything(body)


@settings(deadline=None)
@given(bodies, st.integers(0, 2_000))
def test_bodies_cut_short(body: str, length: int) -> None:
    read_everything(body[:length])


@settings(deadline=None)
@given(st.text(max_size=60))
def test_random_values(value: str) -> None:
    parse_rtpmap(value)
    for parse in (parse_connection, parse_origin, parse_rtcp):
        with suppress(RemoteProtocolError):
            parse(value)
