"""``trunkline media drain``: what the handler answers, with instances that come and go."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tests.link.fake_media import FakeEngine
from tests.loopback.media.ng_peer import NgPeer
from tests.loopback.media.test_ng_cluster import cluster, until
from trunkline.app.media_handlers import MediaHandlers
from trunkline.app.media_plane import call_mark, media_rows, media_troubles
from trunkline.app.render import MEDIA
from trunkline.app.terminal import Screen
from trunkline.base.messages import DrainMedia, MediaDrained, MediaInstanceRow, Refused
from trunkline.media import commands as c
from trunkline.media.engine import MediaEngine
from trunkline.media.mixed import MixedEngine
from trunkline.media.ng.engine import RtpengineCluster
from trunkline.media.ng.plan import ClusterPlan, InstancePlan
from trunkline.store.secret_box import SecretBox


async def ask(engine: MediaEngine, command: DrainMedia, *, moves: bool = True) -> MediaDrained:
    answer = await MediaHandlers(engine, moves=moves).table[DrainMedia]("", command)
    assert isinstance(answer, MediaDrained)
    return answer


async def test_an_instance_is_named_by_a_part_of_its_address() -> None:
    async with NgPeer() as one, NgPeer() as two, cluster(one, two) as away:
        engine = MixedEngine(FakeEngine(), away)
        await engine.execute(c.OpenPort("a", "call"))
        done = await ask(engine, DrainMedia(name=str(one.port), move=True))
        assert (done.row.name, done.row.draining, done.row.sessions, done.moving) == (one.url, True, 1, 1)
        assert [row.draining for row in media_rows(engine)] == [True, False]
        assert [line for line in media_troubles(engine) if "--undo" in line]
        done = await ask(engine, DrainMedia(name=one.url, undo=True))
        assert not done.row.draining
        assert not list(media_troubles(engine))


@pytest.mark.parametrize(
    ("name", "said"), [("192.0.2.1", "no rtpengine has the name"), ("127", "more than one")]
)
async def test_a_name_that_is_nobodys_or_two_is_refused_with_all_names(name: str, said: str) -> None:
    async with NgPeer() as one, NgPeer() as two, cluster(one, two) as away:
        with pytest.raises(Refused, match=said) as refused:
            await ask(MixedEngine(FakeEngine(), away), DrainMedia(name=name))
        assert refused.value.problem.code == "media.unknown_instance"
        assert one.url in refused.value.problem.hint


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("192.0.2.1", "udp:192.0.2.1:2223"),
        ("192.0.2.10", "udp:192.0.2.10:2223"),
        ("2225", "ws://192.0.2.30:2225"),
        ("192.0.2.3", ""),
        ("192.0.2.10:222", ""),
        ("", ""),
        (".*", ""),
    ],
)
async def test_half_a_number_names_no_instance(name: str, meant: str) -> None:
    urls = ("udp:192.0.2.1:2223", "udp:192.0.2.10:2223", "ws://192.0.2.30:2225")
    away = RtpengineCluster(ClusterPlan(tuple(InstancePlan(url) for url in urls)))
    engine = MixedEngine(FakeEngine(), away)
    if meant:
        assert (await ask(engine, DrainMedia(name=name))).row.name == meant
    else:
        with pytest.raises(Refused):
            await ask(engine, DrainMedia(name=name))


async def test_who_drains_the_last_one_is_told_that_nobody_is_left() -> None:
    async with NgPeer() as one, NgPeer() as two, cluster(one, two) as away:
        engine = MixedEngine(FakeEngine(), away)
        assert (await ask(engine, DrainMedia(name=one.url))).others == 1
        assert (await ask(engine, DrainMedia(name=two.url))).others == 0


def test_nodes_with_the_same_key_file_leave_each_others_calls_alone() -> None:
    box = SecretBox(bytes(32))
    assert call_mark(box, 0) == call_mark(SecretBox(bytes(32)), 0)
    assert len({call_mark(box, node) for node in range(256)}) == 256


async def test_calls_cannot_move_where_there_is_nowhere_to_go_or_moves_are_off() -> None:
    async with NgPeer() as one, NgPeer() as two, cluster(one, two) as away:
        engine = MixedEngine(FakeEngine(), away)
        with pytest.raises(Refused) as refused:
            await ask(engine, DrainMedia(name=one.url, move=True), moves=False)
        assert refused.value.problem.code == "media.moves_off"
        two.die()
        await until(lambda: away.states()[1].state == "down")
        with pytest.raises(Refused) as refused:
            await ask(engine, DrainMedia(name=one.url, move=True))
        assert refused.value.problem.code == "media.no_engine"
        assert not any(row.draining for row in media_rows(engine)), "nothing was begun"
        assert (await ask(engine, DrainMedia(name=one.url))).row.draining


async def test_without_rtpengine_nothing_is_drained() -> None:
    with pytest.raises(Refused) as refused:
        await ask(FakeEngine(), DrainMedia(name="udp:192.0.2.10:2223"))
    assert refused.value.problem.code == "media.unknown_instance"


def test_the_list_says_who_is_drained() -> None:
    rows = [
        MediaInstanceRow("udp:192.0.2.10:2223", "up", 64.0, 0, 12, 1, draining=True),
        MediaInstanceRow("ws://192.0.2.11:2225", "down", 3.0, 7),
    ]
    out = io.StringIO()
    Screen(Console(file=out, width=200)).table(MEDIA, rows, "none")
    first, second = out.getvalue().splitlines()[1:]
    assert first.split() == ["udp:192.0.2.10:2223", "up,", "drained", "1:04", "0", "12", "1"]
    assert second.split() == ["ws://192.0.2.11:2225", "down", "0:03", "7", "-", "0"]
