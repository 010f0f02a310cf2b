"""nginx and Caddy with the files of deploy/, on ports and with a certificate of a test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.authority import Authority
from tests.peers.ports import free_ports
from tests.peers.programs import ROOT, end_process, program

NAME = "voice.example.com"
_START_S = 60.0


@dataclass(frozen=True, slots=True)
class Proxy:
    """What is written for it into ``folder``, and the command that runs it; ``check`` only reads its file."""

    name: str
    write: Callable[[Path, int, int, Authority], None]
    run: tuple[str, ...]
    check: tuple[str, ...]

    def prepare(self, folder: Path, port: int, upstream: int) -> Authority:
        """Its files: TLS on ``port``, the API behind it on ``upstream``. The authority is the one to trust."""
        authority = Authority(folder / "tls")
        self.write(folder, port, upstream, authority)
        return authority

    async def checked(self, folder: Path) -> tuple[int, str]:
        """What the program itself says of its file."""
        process = await self._start(folder, self.check)
        said, _ = await process.communicate()
        return await process.wait(), said.decode()

    @asynccontextmanager
    async def running(self, folder: Path, upstream: int) -> AsyncIterator[tuple[int, Authority]]:
        """The port where it speaks TLS, and the authority of its certificate."""
        port = free_ports(1)
        authority = self.prepare(folder, port, upstream)
        process = await self._start(folder, self.run)
        try:
            await _until_open(port, process)
            yield port, authority
        finally:
            await end_process(process, grace_s=5.0)

    async def _start(self, folder: Path, words: tuple[str, ...]) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            program(self.name),
            *words,
            cwd=folder,
            env={"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )


async def _until_open(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(_START_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                if process.returncode is not None and process.stdout is not None:
                    said = (await process.stdout.read()).decode()
                    raise AssertionError(f"the proxy has ended: {said}") from None
                await asyncio.sleep(0.05)  # it tells nobody when it listens
                continue
            writer.close()
            return


def _nginx(folder: Path, port: int, upstream: int, authority: Authority) -> None:
    files = authority.issue(NAME, "localhost")
    site = (ROOT / "deploy/nginx.conf").read_text()
    live = f"/etc/letsencrypt/live/{NAME}"
    for old, new in (
        ("listen 80;", f"listen 127.0.0.1:{free_ports(1)};"),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{port} ssl http2;"),
        ("127.0.0.1:8080", f"127.0.0.1:{upstream}"),
        (f"{live}/fullchain.pem", str(files.certificate)),
        (f"{live}/privkey.pem", str(files.key)),
    ):
        assert site.count(old) == 1, old
        site = site.replace(old, new)
    lines = [line for line in site.splitlines() if "listen [::]" not in line]
    (folder / "site.conf").write_text("\n".join(lines) + "\n")
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\npid {folder}/pid;\nerror_log stderr notice;\nworker_processes 1;\n"
        f"events {{ worker_connections 100; }}\nhttp {{\naccess_log off;\n{places}include {folder}/site.conf;\n}}\n"
    )


def _caddy(folder: Path, port: int, upstream: int, authority: Authority) -> None:
    files = authority.issue(NAME, "localhost")
    text = (ROOT / "deploy/Caddyfile").read_text()
    assert text.count("{$VOICE_HOST} {") == 1
    text = text.replace(
        "{$VOICE_HOST} {", f"https://localhost:{port} {{\n\ttls {files.certificate} {files.key}"
    )
    assert text.count("127.0.0.1:8080") == 1
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{upstream}")
    options = "{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n"
    (folder / "Caddyfile").write_text(options + text)


NGINX = Proxy("nginx", _nginx, ("-p", ".", "-c", "nginx.conf"), ("-t", "-p", ".", "-c", "nginx.conf"))
CADDY = Proxy(
    "caddy",
    _caddy,
    ("run", "--config", "Caddyfile", "--adapter", "caddyfile"),
    ("validate", "--config", "Caddyfile", "--adapter", "caddyfile"),
)
