"""Kamailio as a child process: a registrar with digest, or a record-routing proxy in front of an exchange."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Self

from tests.peers.ports import free_ports, is_bound
from tests.peers.programs import end_process, program

_COMMON = """
debug=2
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
listen=udp:127.0.0.1:{port}
listen=tcp:127.0.0.1:{port}
loadmodule "jsonrpcs.so"
loadmodule "kex.so"
loadmodule "corex.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
modparam("jsonrpcs", "transport", 2)
modparam("jsonrpcs", "fifo_name", "{folder}/rpc.fifo")
"""

# What REGISTERs here is challenged, asks for 90 s at least and is kept. What the user calls goes to NEXT. What others
# call goes to who has registered under that name, or to the user, whose numbers are all the others.
_REGISTRAR = """
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
loadmodule "nathelper.so"
modparam("usrloc", "db_mode", 0)
modparam("registrar", "min_expires", {min_expires})
modparam("registrar", "min_expires_mode", 1)
modparam("registrar", "max_expires", 7200)
modparam("auth", "qop", "auth")
modparam("auth", "nonce_expire", 300)
request_route {{
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (has_totag()) {{
        if (loose_route()) {{ t_relay(); exit; }}
        if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); exit; }}
        sl_send_reply("404", "Not Here");
        exit;
    }}
    loose_route();  # phones whose outbound proxy we are name us in a Route
    t_check_trans();
    if (is_method("OPTIONS")) {{
        if ($rU != "{user}" || registered("location")) sl_send_reply("200", "OK");
        else sl_send_reply("480", "Not Registered");
        exit;
    }}
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("$td", "{password}", "0")) {{ www_challenge("$td", "1"); exit; }}
        if (!save("location")) sl_reply_error();
        exit;
    }}
    if (is_method("INVITE")) {{
        if ($si == "127.0.0.1" && $fU == "{user}") {{
            if (!pv_proxy_authenticate("$fd", "{password}", "0")) {{ proxy_challenge("$fd", "1"); exit; }}
            consume_credentials();
            record_route();
            $du = "{next}";
            t_relay();
            exit;
        }}
        if (!lookup("location")) {{
            $ru = "sip:{user}@" + $rd;
            if (!lookup("location")) {{ sl_send_reply("480", "Not Registered"); exit; }}
        }}
        record_route();
        t_relay();
        exit;
    }}
    sl_send_reply("405", "Method Not Allowed");
}}
"""

# Everything of phones goes on to the exchange, with a Path (RFC 3327) that names the way back to the phone: two of them
# where the transport changes, as in Record-Route.
_PROXY = """
loadmodule "path.so"
loadmodule "xlog.so"
modparam("path", "use_received", 1)
modparam("path", "enable_r2", 1)
modparam("rr", "enable_full_lr", 1)
modparam("rr", "enable_double_rr", 1)
request_route {{
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    force_rport();
    # Phones come with a Route to us too; only the exchange has one from our Path. Of a route that no dialog has made
    # and that names nobody else, loose_route says no, although it has taken us off.
    $var(by_path) = 0;
    if (!has_totag() && $hdr(Route) =~ "sip:phones@") $var(by_path) = 1;
    if (loose_route() || $var(by_path) == 1) {{
        if (is_method("INVITE") && !has_totag()) record_route();
        xlog("L_NOTICE", "by its route: $rm\n");
        t_relay();
        exit;
    }}
    if (has_totag()) {{
        if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); exit; }}
        sl_send_reply("404", "Not Here");
        exit;
    }}
    t_check_trans();
    if (is_method("REGISTER")) {{
        add_path_received("phones");
        # RFC 3327 §5.3: baresip does not say that it knows Path, and the registrar refuses who does not.
        append_hf("Supported: path\r\n");
    }}
    if (is_method("INVITE")) record_route();
    $du = "{next}";
    if (!t_relay()) sl_reply_error();
    exit;
}}
"""


class Kamailio:
    """Kamailio in one of two roles. ``next_hop`` is where calls go on to: ``sip:HOST:PORT``."""

    def __init__(self, folder: Path, text: str, **values: str | int) -> None:
        self.port = free_ports(10)
        self.folder = folder / f"kamailio-{self.port}"
        self._text = _COMMON + text
        self._values = values
        self._process: asyncio.subprocess.Process | None = None

    @classmethod
    def registrar(
        cls, folder: Path, user: str, password: str, next_hop: str, min_expires: int = 90
    ) -> Kamailio:
        """A registrar for one user, through which that user also calls ``next_hop``.

        Others may register with that password, and be called.
        """
        return cls(folder, _REGISTRAR, user=user, password=password, next=next_hop, min_expires=min_expires)

    @classmethod
    def proxy(cls, folder: Path, exchange: str) -> Kamailio:
        """A record-routing proxy in front of an exchange, whose URI may have a transport."""
        return cls(folder, _PROXY, next=exchange)

    @property
    def address(self) -> str:
        """HOST:PORT, for UDP and TCP alike."""
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True)
        await self._start()
        return self

    async def restart(self) -> None:
        """End it and start another, which knows nothing of what the first one did: connections and dialogs."""
        await self._end()
        await self._start()

    async def _start(self) -> None:
        configuration = self.folder / "kamailio.cfg"
        values = {"port": self.port, "folder": self.folder, **self._values}
        configuration.write_text(self._text.format(**values))
        with (self.folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                program("kamailio"),
                *("-f", str(configuration), "-DD", "-E", "-Y", str(self.folder), "-w", str(self.folder)),
                *("-m", "32", "-M", "8"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(60):
            while not (is_bound(self.port, "udp") and is_bound(self.port, "tcp")):
                assert self._process.returncode is None, f"Kamailio ended at once: {self.log()[-3000:]}"
                await asyncio.sleep(0.02)

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    async def _end(self) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            await end_process(process, grace_s=5.0)

    async def knows(self, user: str) -> bool:
        """Whether a registrar has a contact of a user."""
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.setblocking(False)
            asker.bind(("127.0.0.1", 0))
            own = asker.getsockname()[1]
            asked = (
                f"OPTIONS sip:{user}@{self.address} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP 127.0.0.1:{own};branch=z9hG4bK{own};rport\r\nMax-Forwards: 70\r\n"
                f"From: <sip:test@test>;tag=1\r\nTo: <sip:{user}@{self.address}>\r\n"
                f"Call-ID: {own}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
            )
            await loop.sock_sendto(asker, asked.encode(), ("127.0.0.1", self.port))
            async with asyncio.timeout(60):
                answer = await loop.sock_recv(asker, 4096)
        return answer.startswith(b"SIP/2.0 200")

    def passed_by_route(self, method: str) -> int:
        """How many requests of a method a proxy has sent where their Route said."""
        return self.log().count(f"by its route: {method}\n")

    def log(self) -> str:
        """What it said."""
        return (self.folder / "log").read_text(errors="replace")
