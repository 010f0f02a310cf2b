"""The control socket with real sockets: who may speak, what is bounded, who owns the folder."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from trunkline.app.control_client import ControlClient, NotRunning
from trunkline.app.control_server import ControlServer, Handle
from trunkline.app.control_wire import AlreadyRunning
from trunkline.base.errors import TransportError
from trunkline.base.message_codec import Message
from trunkline.base.messages import (
    AddExtension,
    ExtensionAdded,
    ExtensionList,
    ExtensionRow,
    ListCalls,
    ListExtensions,
    Refused,
    RemoveExtension,
    Request,
    Status,
    Stop,
    Stopping,
)


async def answer(request: Request[Any]) -> Message:
    """A small exchange."""
    if isinstance(request, ListExtensions):
        return ExtensionList(rows=tuple(ExtensionRow(f"{n:05}", "x" * 100) for n in range(request.limit)))
    if isinstance(request, AddExtension):
        return ExtensionAdded(extension=ExtensionRow(request.number, request.name), password=request.password)
    if isinstance(request, RemoveExtension):
        raise Refused("extension.unknown", "no such extension", "list them", 404)
    if isinstance(request, ListCalls):
        await asyncio.Event().wait()
    if isinstance(request, Stop):
        return Stopping(calls=1)
    raise LookupError("a fault with s3cret inside")


@asynccontextmanager
async def serving(path: Path, handle: Handle = answer, **options: Any) -> AsyncIterator[ControlServer]:
    server = ControlServer(path, handle, **options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def ask(path: Path, request: Request[Any], deadline_s: float = 30.0) -> Any:
    """As the command line does it, beside the event loop."""

    def work() -> Any:
        with ControlClient(path, deadline_s) as client:
            return client.ask(request)

    return await asyncio.to_thread(work)


def mode_of(path: Path) -> int | None:
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else None


async def speak(path: Path, *data: bytes) -> bytes:
    """Raw bytes in, everything that comes back."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    for part in data:
        writer.write(part)
        await writer.drain()
    writer.write_eof()
    back = await reader.read()
    writer.close()
    await writer.wait_closed()
    return back


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


async def test_requests_are_answered_on_one_connection(path: Path) -> None:
    def work() -> list[Any]:
        with ControlClient(path) as client:
            return [client.ask(AddExtension(number="1", password="pässword")), client.ask(Stop())]

    async with serving(path):
        added, stopping = await asyncio.to_thread(work)
    assert added == ExtensionAdded(extension=ExtensionRow("1"), password="pässword")
    assert stopping == Stopping(calls=1)


async def test_long_replies_come_through(path: Path) -> None:
    async with serving(path):
        assert len((await ask(path, ListExtensions(limit=10_000))).rows) == 10_000


async def test_a_refusal_comes_back_as_it_was_raised(path: Path) -> None:
    async with serving(path):
        with pytest.raises(Refused) as caught:
            await ask(path, RemoveExtension(number="1"))
    assert caught.value.problem.to_dict() == {
        "type": "problem", "code": "extension.unknown", "detail": "no such extension", "hint": "list them",
        "status": 404, "sip_status": 0, "reason": "",
    }  # fmt: skip


async def test_a_fault_is_a_problem_without_its_inside(path: Path) -> None:
    async with serving(path):
        with pytest.raises(Refused) as caught:
            await ask(path, Status())
        assert caught.value.problem.code == "exchange.fault"
        assert "s3cret" not in str(caught.value)
        assert await ask(path, Stop()) == Stopping(calls=1)


async def test_a_request_that_takes_too_long_ends_at_its_deadline(path: Path) -> None:
    async with serving(path):
        with pytest.raises(Refused) as caught:
            await ask(path, ListCalls(), deadline_s=0.05)
    assert caught.value.problem.code == "control.deadline"


async def test_a_reply_of_another_type_is_no_reply(path: Path) -> None:
    async def wrong(_request: Request[Any]) -> Message:
        return Stopping()

    async with serving(path, wrong):
        with pytest.raises(TransportError, match=r"answered call\.list with exchange\.stopping"):
            await ask(path, ListCalls())


async def test_the_socket_is_for_its_owner_alone(path: Path) -> None:
    async with serving(path):
        assert mode_of(path) == 0o600
    assert mode_of(path) is None


async def test_another_user_is_refused(path: Path) -> None:
    async with serving(path, peer_uid=lambda _socket: os.geteuid() + 1):
        with pytest.raises(Refused) as caught:
            await ask(path, Stop())
    assert caught.value.problem.code == "control.forbidden"


async def test_a_peer_whose_user_is_unknown_is_refused(path: Path) -> None:
    async with serving(path, peer_uid=lambda _socket: None):
        with pytest.raises(Refused) as caught:
            await ask(path, Stop())
    assert caught.value.problem.status == 403


async def test_more_clients_than_allowed_are_told_so(path: Path) -> None:
    async with serving(path, max_clients=1):
        with ControlClient(path) as first:
            assert await asyncio.to_thread(first.ask, Stop()) == Stopping(calls=1)
            with pytest.raises(Refused) as caught:
                await ask(path, Stop())
        assert caught.value.problem.code == "control.too_many_clients"


async def test_a_line_that_is_too_long_ends_the_connection(path: Path) -> None:
    async with serving(path, max_line=1000):
        assert b"control.line_too_long" in await speak(path, b"x" * 5000 + b"\n")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"hello", b"control.not_json"),
        (b"[1]", b"control.not_json"),
        (b"[" * 50_000, b"control.not_json"),
        (b"\xff\xfe", b"control.not_json"),
        (b'{"id": "x"}', b"message.invalid"),
        (b'{"deadline_s": 1e9, "message": {"type": "call.list"}}', b"message.invalid"),
        (b'{"message": {"type": "nonsense"}}', b"message.unknown"),
        (b'{"message": {"type": "problem", "code": "x", "detail": "y"}}', b"message.unknown"),
        (b'{"message": {"type": "call.list", "limit": "9"}}', b"message.invalid"),
    ],
)
async def test_nonsense_is_answered_and_the_next_request_served(path: Path, line: bytes, code: bytes) -> None:
    async with serving(path):
        first, second, rest = (
            await speak(path, line + b'\n{"id":2,"message":{"type":"exchange.stop"}}\n')
        ).split(b"\n")
    assert code in first
    assert b'"id":2,"reply":{"type":"exchange.stopping"' in second
    assert rest == b""


async def test_a_silent_client_is_sent_away(path: Path) -> None:
    async with serving(path, idle_s=0.05):
        reader, writer = await asyncio.open_unix_connection(str(path))
        async with asyncio.timeout(20):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_half_a_request_is_nothing(path: Path) -> None:
    async with serving(path):
        assert await speak(path, b'{"id": 1') == b""


async def test_stop_ends_waiting_clients_and_tasks(path: Path) -> None:
    before = asyncio.all_tasks()
    asked = asyncio.Event()

    async def never(_request: Request[Any]) -> Message:
        asked.set()
        await asyncio.Event().wait()
        return Stopping()

    async with serving(path, never):
        waiting = asyncio.create_task(ask(path, ListCalls()))
        await asyncio.wait_for(asked.wait(), 20)
    with pytest.raises(TransportError):
        await waiting
    assert asyncio.all_tasks() == before


async def test_nobody_there_is_told_apart(path: Path) -> None:
    with pytest.raises(NotRunning):
        ControlClient(path)
    async with serving(path):
        pass
    with pytest.raises(NotRunning):
        ControlClient(path)


async def test_a_socket_file_of_a_dead_process_is_replaced(path: Path) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", DIES, str(path))
    assert await asyncio.wait_for(process.wait(), 30) == 9
    assert mode_of(path) == 0o600
    with pytest.raises(NotRunning):
        ControlClient(path)
    async with serving(path):
        assert await ask(path, Stop()) == Stopping(calls=1)


DIES = """
import asyncio, os, sys
from pathlib import Path
from trunkline.app.control_server import ControlServer
async def main():
    await ControlServer(Path(sys.argv[1]), None).start()
    os._exit(9)
asyncio.run(main())
"""


async def test_a_second_exchange_is_refused_with_the_pid_of_the_first(path: Path) -> None:
    async with serving(path):
        second = ControlServer(path, answer)
        with pytest.raises(AlreadyRunning, match=rf"\(pid {os.getpid()}\)") as caught:
            await second.start()
        assert caught.value.pid == os.getpid()
        await second.stop()
        assert await ask(path, Stop()) == Stopping(calls=1)


async def test_the_folder_can_be_claimed_before_serving(path: Path) -> None:
    first, second = ControlServer(path, answer), ControlServer(path, answer)
    first.claim()
    with pytest.raises(AlreadyRunning):
        second.claim()
    await first.stop()
    second.claim()
    await second.stop()


async def test_a_deep_folder_is_no_obstacle(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-rather-long-folder-name"] * 6)
    deep.mkdir(parents=True)
    async with serving(deep / "control.sock"):
        assert await ask(deep / "control.sock", Stop()) == Stopping(calls=1)


async def test_a_client_that_never_reads_does_not_hold_the_server(path: Path) -> None:
    async with serving(path, idle_s=0.2):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as deaf:
            deaf.connect(str(path))
            deaf.sendall(b'{"message":{"type":"extension.list","limit":100000}}\n')
            # On this loop: who asks from another thread may be held up for longer than a client may idle.
            assert b"exchange.stopping" in await speak(path, b'{"message":{"type":"exchange.stop"}}\n')
