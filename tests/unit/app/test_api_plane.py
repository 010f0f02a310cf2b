"""Documents of an issuer: the way to it is made anew when it changed, and ended when nobody goes it any more."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from trunkline.app import api_plane
from trunkline.app.addresses import HostAddresses
from trunkline.app.api_plane import Api, Fetching
from trunkline.app.settings import Settings
from trunkline.app.settings.file import complete, parse_settings
from trunkline.base.errors import ConfigError

ISSUER = "https://login.example.com"
AUTH = {"issuer": ISSUER, "audience": "voice"}


def settings(**auth: Any) -> Settings:
    tables = {"api": {"listen": "127.0.0.1:8080"}, "auth": {**AUTH, **auth}}
    return complete(parse_settings(tables, "test.toml")[0], HostAddresses("192.0.2.7"))


class Server:
    """Serves nobody."""

    doorway = SimpleNamespace(auth=SimpleNamespace(default_tenant=None))

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def prepared(self, *_all: Any, **_named: Any) -> None: ...

    async def take(self, _change: None) -> int:
        return 0


async def reload(api: Api, new: Settings) -> None:
    async with AsyncExitStack() as undo:
        apply = await api.prepare(new, frozenset(), undo)
        undo.pop_all()
    await apply()


async def test_the_way_to_an_issuer_is_ended_when_another_takes_its_place_and_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed: list[Fetching] = []

    async def close(one: Fetching) -> None:
        closed.append(one)

    monkeypatch.setattr(Fetching, "close", close)
    monkeypatch.setattr(api_plane, "api_server", lambda *_all: Server())
    store: Any = SimpleNamespace(box=SimpleNamespace(derive=lambda _purpose: bytes(32)))
    api = Api(cast("Any", None), store)
    await api.start(settings())
    await reload(api, settings())
    assert closed == []
    await reload(api, settings(jwks_url=f"{ISSUER}/other-keys"))
    assert len(closed) == 1
    await api.stop()
    assert len(set(closed)) == 2


async def test_a_dry_run_reads_secrets_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(api_plane, "api_server", lambda *_all: Server())
    store: Any = SimpleNamespace(box=SimpleNamespace(derive=lambda _purpose: bytes(32)))
    api = Api(cast("Any", None), store)
    await api.check(settings(secret_file=str(tmp_path / "gone")), frozenset())  # not served: nothing is read
    await api.start(settings())
    await api.check(settings(), frozenset())
    with pytest.raises(ConfigError, match=r"auth\.secret_file: saw .*gone"):
        await api.check(settings(secret_file=str(tmp_path / "gone")), frozenset())
    await api.stop()
