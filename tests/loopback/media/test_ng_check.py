"""``trunkline check`` pings each rtpengine that the settings name."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from tests.loopback.media.ng_peer import NgPeer
from trunkline.app.addresses import HostAddresses
from trunkline.app.check.finding import Case, Grade
from trunkline.app.check.media import media
from trunkline.app.settings.file import load_settings


def case(folder: Path, *instances: str) -> Case:
    file = folder / "t.toml"
    named = ", ".join(f'"{one}"' for one in instances)
    engine = "rtpengine" if instances else "embedded"
    file.write_text(f'[media]\nengine = "{engine}"\n[media.rtpengine]\ninstances = [{named}]\n')
    loaded = load_settings(file, folder, host=HostAddresses("192.0.2.7"), env={})
    return Case(loaded, loaded.data)


async def test_each_instance_is_pinged(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        silent = f"udp:127.0.0.1:{mute.getsockname()[1]}"
        async with NgPeer() as well, NgPeer() as strange:
            strange.answer = lambda question: {"result": "ok"}
            looked = case(tmp_path, well.url, silent, strange.url)
            found = await asyncio.to_thread(lambda: list(media(looked)))
    assert [one.grade for one in found] == [Grade.OK, Grade.FAIL, Grade.FAIL]
    assert found[0].what == f"{well.url} answers"
    assert "did not answer" in found[1].what
    assert "listen-ng" in found[1].mend
    assert "not to a ping" in found[2].what


def test_without_rtpengine_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert list(media(case(tmp_path))) == []
