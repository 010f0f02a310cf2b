"""A baresip phone as a child process: configured, started, driven and recorded."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from tests.peers.control import Control
from tests.peers.loudspeaker import PLAYED_CHANNELS, PLAYED_RATE, RATE, Loudspeaker
from tests.peers.ports import free_ports
from tests.peers.programs import end_process, program
from tests.peers.tones import BLOCK_S, Recording, write_tone

Transport = Literal["udp", "tcp", "tls"]

_MODULE_PLACES = ("/usr/lib/baresip/modules", "/usr/local/lib/baresip/modules")
_RTP_PORTS = 20
_TONE_SECONDS = 240  # longer than any call of the tests: aufile ends the call at the end of its file
_REGISTERED = re.compile(r"(?:\s|\x1b\[32m)OK\s")  # coloured or not
_CONFIG = """\
poll_method             epoll
sip_listen              {host}:{sip_port}
call_max_calls          4
call_local_timeout      60
audio_path              /usr/share/baresip
audio_player            alsa,loudspeaker
audio_source            aufile,{tone}
audio_alert             aubridge,alert
ausrc_srate             8000
auplay_srate            {played_rate}
ausrc_channels          1
auplay_channels         {played_channels}
rtp_ports               {rtp_first}-{rtp_last}
rtcp_mux                no
jitter_buffer_delay     2-10
net_interface           {host}
module_path             {modules}
module                  g711.so
{extra}module                  aufile.so
module                  aubridge.so
module                  alsa.so
module                  cons.so
module_app              account.so
module_app              menu.so
module_app              contact.so
module_app              ctrl_tcp.so
{watching}ctrl_tcp_listen         {host}:{control_port}
cons_listen             {host}:{console_port}
{trusted}"""
_WATCHING = "module_app              mwi.so\nmodule_app              presence.so\n"


@dataclass(frozen=True, slots=True)
class Account:
    """Who the phone is. ``server`` is HOST:PORT of the registrar; without one it does not register.

    ``ca`` is a PEM file of whom to trust over TLS. ``media`` is how its media is encrypted: ``srtp`` (keys beside plain
    RTP), ``srtp-mand``, ``dtls_srtp``, or not at all; ``codecs`` the only ones that it has, in baresip's names.
    """

    user: str
    password: str = ""
    domain: str = "127.0.0.1"
    server: str = ""
    transport: Transport = "udp"
    ca: Path | None = None
    media: str = ""
    codecs: tuple[str, ...] = ()

    @property
    def modules(self) -> list[str]:
        """What the configuration has to load for that."""
        names = {"srtp": "srtp", "srtp-mand": "srtp", "dtls_srtp": "dtls_srtp"}
        wanted = [names[self.media]] if self.media else []
        beyond = [
            one for one in ("opus", "g722") if any(codec.lower().startswith(one) for codec in self.codecs)
        ]
        return wanted + beyond

    @property
    def _speech(self) -> str:
        said = f";mediaenc={self.media}" if self.media else ""
        return said + (f";audio_codecs={','.join(self.codecs)}" if self.codecs else "")

    def line(self, address: str) -> str:
        """The line of baresip's ``accounts`` file; ``address`` is the phone's own HOST:PORT."""
        if not self.server:
            return f"<sip:{self.user}@{address}>;regint=0;ptime=20{self._speech}\n"
        via = f"transport={self.transport}"
        return (
            f"<sip:{self.user}@{self.domain};{via}>;auth_user={self.user};auth_pass={self.password}"
            f';regint=600;outbound="sip:{self.server};{via}";ptime=20{self._speech}\n'
        )


def _module_folder() -> str:
    program("baresip")
    for place in _MODULE_PLACES:
        if Path(place, "ctrl_tcp.so").exists():
            return place
    raise AssertionError(f"baresip has no module ctrl_tcp in {_MODULE_PLACES}")


class Baresip:
    """One phone with one account. It plays a tone of ``tone_hz`` into every call and records what it hears.

    Use it as ``async with Baresip(folder, account, tone_hz=440) as phone``. A phone that dies without
    un-registering leaves its binding behind: give each test users of its own.

    baresip's own recorder (module sndfile) is not used: it loses what is received at the first hold, for the
    rest of the call.

    ``writes_to`` is the number that ``write`` sends texts to. With ``watches`` it subscribes to the presence of that
    number, and to messages that wait for itself.
    """

    def __init__(
        self,
        folder: Path,
        account: Account,
        tone_hz: float = 440.0,
        host: str = "127.0.0.1",
        writes_to: str = "",
        *,
        watches: str = "",
    ) -> None:
        self.account = account
        self.host = host
        self.tone_hz = tone_hz
        self.writes_to = writes_to
        self.watches = watches
        self.folder = folder / f"baresip-{account.user}"
        self.sip_port = free_ports(10, host)
        self._control_port = self.sip_port + 5
        self._loudspeaker = Loudspeaker(self.folder)
        self._process: asyncio.subprocess.Process | None = None
        self._control: Control | None = None

    @property
    def uri(self) -> str:
        """Where to call the phone directly, past any exchange."""
        return f"sip:{self.account.user}@{self.host}:{self.sip_port}"

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _start(self) -> None:
        self.folder.mkdir(parents=True)
        self._loudspeaker.start()
        tone = write_tone(self.folder / "tone.wav", self.tone_hz, _TONE_SECONDS)
        rtp_first = free_ports(_RTP_PORTS, self.host)
        (self.folder / "accounts").write_text(self.account.line(f"{self.host}:{self.sip_port}"))
        contact = f"sip:{self.writes_to or self.account.user}@{self.account.domain}>"
        if self.watches:
            contact = f"sip:{self.watches}@{self.account.domain}>;presence=p2p"
        (self.folder / "contacts").write_text(f'"Who is written to" <{contact}\n')
        (self.folder / "config").write_text(
            _CONFIG.format(
                host=self.host,
                sip_port=self.sip_port,
                control_port=self._control_port,
                console_port=self._control_port + 1,
                tone=tone,
                played_rate=PLAYED_RATE,
                played_channels=PLAYED_CHANNELS,
                modules=_module_folder(),
                extra="".join(f"module                  {one}.so\n" for one in self.account.modules),
                rtp_first=rtp_first,
                rtp_last=rtp_first + _RTP_PORTS - 1,
                watching=_WATCHING if self.watches else "",
                trusted=f"sip_cafile {self.account.ca}\n" if self.account.ca is not None else "",
            )
        )
        with (self.folder / "log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                program("baresip"),
                "-f",
                str(self.folder),
                env=os.environ | self._loudspeaker.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._control = await self._connect()

    async def _connect(self, within: float = 60.0) -> Control:
        """The control port is open a moment after the start; nothing announces it but the port itself."""
        async with asyncio.timeout(within):
            while True:
                assert self._process is not None
                assert self._process.returncode is None, f"baresip ended: {self.log()}"
                with contextlib.suppress(ConnectionError):
                    return Control(*await asyncio.open_connection(self.host, self._control_port))
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """Kill the phone: its own ``quit`` may hang."""
        if self._control is not None:
            await self._control.close()
            self._control = None
        if self._process is not None:
            await end_process(self._process)
            self._process = None
        await self._loudspeaker.stop()

    @property
    def control(self) -> Control:
        assert self._control is not None, "the phone is not started"
        return self._control

    async def event(self, kind: str, within: float = 60.0, **fields: str) -> dict[str, Any]:
        """Wait for an event such as ``CALL_ESTABLISHED`` or ``REGISTER_OK``."""
        return await self.control.event(kind, within, **fields)

    async def registered(self, within: float = 60.0) -> None:
        """Wait until the phone is registered; that may have happened before anybody could listen."""
        if _REGISTERED.search(await self.control.command("reginfo")) is None:
            await self.event("REGISTER_OK", within)

    async def dial(self, target: str) -> None:
        await self.control.command("dial", target)

    async def accept(self) -> None:
        await self.control.command("accept")

    async def hangup(self) -> None:
        await self.control.command("hangup")

    async def write(self, text: str) -> None:
        """Send a text to ``writes_to``."""
        await self.control.command("message", text)

    @contextlib.asynccontextmanager
    async def screen(self) -> AsyncIterator[asyncio.StreamReader]:
        """What the phone shows from now on, texts among it: its events do not tell of them."""
        reader, writer = await asyncio.open_connection(self.host, self._control_port + 1)
        try:
            yield reader
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def hold(self) -> None:
        await self.control.command("hold")

    async def resume(self) -> None:
        await self.control.command("resume")

    async def send_digits(self, digits: str) -> None:
        """Send DTMF (RFC 4733): each digit is pressed and released."""
        for digit in digits:
            await self.control.command("sndcode", digit)
            await self.control.command("sndcode", "\x00")

    def heard(self, seconds: float = 1.0) -> Recording:
        """What came out of the loudspeaker in the last ``seconds``; silence where nothing was received."""
        return self._loudspeaker.heard_lately(seconds)

    async def hears(
        self, hz: float, above_dbfs: float = -16.0, for_s: float = 0.5, within: float = 60.0
    ) -> None:
        """Wait until ``hz`` has been heard without a break for ``for_s`` seconds, the last ones or later ones."""
        await self._listen(lambda levels: min(levels) >= above_dbfs, f"{hz} Hz", hz, for_s, within)

    async def hears_at(self, hz: float, level_dbfs: float = -10.0, within: float = 60.0) -> None:
        """Wait until ``hz`` has been heard at that level, give or take 1.5 dB, for half a second."""
        await self._listen(
            lambda levels: all(abs(level - level_dbfs) <= 1.5 for level in levels),
            f"{hz} Hz at {level_dbfs} dBFS", hz, 0.5, within,
        )  # fmt: skip

    async def hears_nothing_of(
        self, hz: float, below_dbfs: float = -50.0, for_s: float = 0.5, within: float = 60.0
    ) -> None:
        """Wait until ``hz`` has been absent for ``for_s`` seconds, the last ones or later ones."""
        await self._listen(lambda levels: max(levels) <= below_dbfs, f"silence at {hz} Hz", hz, for_s, within)

    async def _listen(
        self, enough: Callable[[list[float]], bool], what: str, hz: float, for_s: float, within: float
    ) -> None:
        # Whatever is heard is looked at, not only what is heard just then: a beep may be over before the next look.
        step_s = BLOCK_S / 2
        together = round(for_s / step_s) - 1  # blocks that overlap by half
        seen = max(0, self._loudspeaker.now - int(for_s * RATE))
        levels: list[float] = []
        try:
            async with asyncio.timeout(within):
                while not (len(levels) >= together and enough(levels[:together])):
                    if len(levels) >= together:
                        del levels[0]
                        continue
                    await asyncio.sleep(BLOCK_S)
                    fresh = self._loudspeaker.heard_since(seen).levels_dbfs(hz, step_s)
                    seen += len(fresh) * int(RATE * step_s)
                    levels += fresh
        except TimeoutError:
            heard = [round(level) for level in self.heard(3.0).levels_dbfs(hz)]
            raise AssertionError(
                f"{self.account.user} did not hear {what} for {for_s} s within {within} s;"
                f" levels at {hz} Hz in dBFS over the last 3 s: {heard}"
            ) from None

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")
