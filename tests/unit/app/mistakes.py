"""Mistakes in settings, as people make them, and a page of what is said about each.

``python -m tests.unit.app.mistakes`` writes ``docs/reference/mistakes.md`` to standard output. The page is what
the tests compare with: a message that changes shows there.
"""

from __future__ import annotations

import contextlib
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from trunkline.app.addresses import HostAddresses
from trunkline.app.from_settings import listeners_of, tls_settings
from trunkline.app.peering import signatures_of
from trunkline.app.settings.file import load_settings
from trunkline.base.errors import ConfigError
from trunkline.net.tls.contexts import Tls

HOST = HostAddresses("192.0.2.7")


@dataclass(frozen=True, slots=True)
class Mistake:
    """A file's ``text``, or what ``prepare`` makes at its path and is told in ``shown``.

    ``name`` is the file's name. ``prepare`` is also for files beside it.
    """

    title: str
    text: str = ""
    name: str = "trunkline.toml"
    prepare: Callable[[Path], object] | None = None
    shown: str = ""


def write_certificate(path: Path) -> None:
    """``pbx.pem``, ``own.key`` and ``other.key``: a certificate, its key and the key of another one."""
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pbx.example.com")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=90))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    (path.parent / "pbx.pem").write_bytes(made)
    for file, private in (("own.key", key), ("other.key", other)):
        (path.parent / file).write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


KEYS = (
    Mistake("A key is mistyped", 'domian = "example.com"'),
    Mistake("A section is mistyped", "[spi]\nnat = false"),
    Mistake("A key stands in the wrong section", 'ring_timeout_s = 30\ndomain = "example.com"'),
    Mistake("A key of a listener is mistyped", '[sip]\nlisten = [{ url = "udp:127.0.0.1", rol = "trunk" }]'),
    Mistake("A key of a published file is mistyped", '{"server": {"sipport": 5060}}', name="settings.json"),
    Mistake("A section is written as a value", "sip = 5060"),
    Mistake("A key is written in two spellings", "[sip]\nmax_contacts = 5\nmaxContacts = 6"),
    Mistake(
        "A setting and its alias are both there",
        '[server]\nsipPort = 5060\n\n[sip]\nlisten = ["udp:0.0.0.0:5080"]',
    ),
    Mistake(
        "The data folder is named twice", 'data = "/srv/phones"\n\n[database]\npath = "/data/gateway.db"'
    ),
)
VALUES = (
    Mistake("A number is written as a text", '[sip]\nring_timeout_s = "30"'),
    Mistake("A whole number has a fraction", "[sip]\nmax_contacts = 2.5"),
    Mistake("Yes and no are true and false", '[sip]\nnat = "yes"'),
    Mistake("A number is too small", "[sip]\nring_timeout_s = 0"),
    Mistake("A number is too large", "[sip]\nmax_contacts = 1000"),
    Mistake("A time is negative", "[sip]\ngrace_s = -1"),
    Mistake("A time is endless", "[sip]\ngrace_s = inf"),
    Mistake("Limits are in the wrong order", "[sip.registration]\nmin_expires_s = 7200"),
    Mistake("Intervals are in the wrong order", "[sip.session_timer]\nmin_se_s = 3600"),
    Mistake("An interval is shorter than RFC 4028 lets it be", "[sip.session_timer]\nmin_se_s = 30"),
    Mistake("A mode of session timers that does not exist", '[sip.session_timer]\nmode = "on"'),
    Mistake("Overload is measured in milliseconds", "[sip.overload]\nlag_s = 500"),
    Mistake("A section is switched off as a whole", "[sip]\noverload = false"),
    Mistake("Early media is yes or no", "[sip]\nearly_media = true"),
    Mistake("Reliable provisionals are mistyped", '[sip]\nreliable_provisionals = "requried"'),
    Mistake("A way of taking Path that does not exist", '[sip.registration]\npath = "lenient"'),
    Mistake(
        "A Service-Route has no angle brackets", '[sip.registration]\nservice_route = "edge.example.com"'
    ),
    Mistake("A Service-Route is a list", '[sip.registration]\nservice_route = ["<sip:edge.example.com;lr>"]'),
    Mistake("Texts are kept for a negative time", "[texts]\nkeep_days = -1"),
    Mistake("A span of texts is written with its unit", '[texts]\nkeep_days = "7d"'),
    Mistake("Pickup is given a number", '[transfers]\npickup = "**"'),
    Mistake("A key of transfers is mistyped", "[transfers]\nrecal = false"),
    Mistake("Encryption is yes or no", "[media]\nencryption = true"),
    Mistake("The kernel path has two states", '[media]\nkernel = "on"'),
    Mistake("Interfaces are not addresses with a mask", '[media]\nkernel_interfaces = ["192.0.2.0/24"]'),
    Mistake("Tones of a country that is not known", '[media]\ntones = "XX"'),
    Mistake("A level that does not exist", '[log]\nlevel = "verbose"'),
    Mistake("A level is mistyped", '[log]\nlevel = "debgu"'),
    Mistake("A format that does not exist", '[log]\nformat = "xml"'),
    Mistake("The domain is a URI", 'domain = "sip:example.com"'),
    Mistake("The domain is two words", 'domain = "my phones"'),
    Mistake("The domain is a mistyped address", 'domain = "192.0.2.400"'),
    Mistake("The node's number is too large", "node = 300"),
    Mistake("The data folder is empty", 'data = ""'),
    Mistake("A network has bits behind its prefix", '[guard]\ntrusted = ["10.1.2.3/8"]'),
    Mistake("A network that is none", '[guard]\ntrusted = ["office"]'),
)
LISTENERS = (
    Mistake("The transport is mistyped", '[sip]\nlisten = ["upd:0.0.0.0:5060"]'),
    Mistake("The transport is missing", '[sip]\nlisten = ["0.0.0.0:5060"]'),
    Mistake("A transport that does not exist", '[sip]\nlisten = ["sctp:0.0.0.0:5060"]'),
    Mistake("A port is out of range", '[sip]\nlisten = ["udp:0.0.0.0:70000"]'),
    Mistake("A port is no number", '[sip]\nlisten = ["udp:0.0.0.0:sip"]'),
    Mistake("A listener has a name", '[sip]\nlisten = ["udp:pbx.example.com:5060"]'),
    Mistake("An IPv6 address has no brackets", '[sip]\nlisten = ["udp:2001:db8::1:5060"]'),
    Mistake("Only the port is given", "[sip]\nlisten = 5060"),
    Mistake("A listener has no url", '[sip]\nlisten = [{ role = "trunk" }]'),
    Mistake("A role that does not exist", '[sip]\nlisten = [{ url = "udp:127.0.0.1", role = "phone" }]'),
    Mistake("A listener is there twice", '[sip]\nlisten = ["udp:127.0.0.1:5060", "udp:127.0.0.1"]'),
    Mistake("Two listeners share a port", '[sip]\nlisten = ["udp:0.0.0.0:5060", "udp:127.0.0.1:5060"]'),
    Mistake("Two transports share a port", '[sip]\nlisten = ["tcp:127.0.0.1:5060", "tls:127.0.0.1:5060"]'),
    Mistake("An advertised host has spaces", '[sip]\nadvertise = "203.0.113.5 "'),
    Mistake("An advertised host is a URI", '[sip]\nadvertise = "sip:pbx.example.com"'),
    Mistake(
        "A certificate where there is no TLS",
        '[sip]\nlisten = [{ url = "udp:127.0.0.1", certificate = "/etc/ssl/pbx.pem" }]',
    ),
    Mistake(
        "The certificate is not there",
        '[sip]\nlisten = ["tls:127.0.0.1"]\n\n[sip.tls]\ncertificate = "missing.pem"',
    ),
    Mistake(
        "The key belongs to another certificate",
        '[sip]\nlisten = ["tls:127.0.0.1"]\n\n[sip.tls]\ncertificate = "pbx.pem"\nkey = "other.key"',
        prepare=write_certificate,
    ),
    Mistake(
        "The key is no key",
        '[sip]\nlisten = ["tls:127.0.0.1"]\n\n[sip.tls]\ncertificate = "pbx.pem"\nkey = "pbx.pem"',
        prepare=write_certificate,
    ),
    Mistake("A key without its certificate", '[sip.tls]\nkey = "/etc/ssl/pbx.key"'),
)
MEDIA = (
    Mistake("A range is reversed", '[media]\nports = "20000-10000"'),
    Mistake("A range is one number", "[media]\nports = 10000"),
    Mistake("A range has no room for a pair", '[media]\nports = "10001-10002"'),
    Mistake("A range begins too low", '[media]\nports = "80-90"'),
    Mistake("A range ends too high", '[media]\nports = "60000-70000"'),
    Mistake("A range is written with a colon", '[media]\nports = "10000:20000"'),
    Mistake("The media address is a name", '[media]\naddress = "pbx.example.com"'),
    Mistake("Too many workers", "[media]\nworkers = 100"),
    Mistake("rtpengine without an instance", '[media]\nengine = "rtpengine"'),
    Mistake("An engine that is none", '[media]\nengine = "rtpproxy"'),
    Mistake(
        "rtpengine where everything is encrypted",
        '[media]\nengine = "rtpengine"\nencryption = "required"\n\n'
        '[media.rtpengine]\ninstances = ["udp:192.0.2.10:2223"]',
    ),
    Mistake("An instance without its transport", '[media.rtpengine]\ninstances = ["192.0.2.10:2223"]'),
    Mistake("An instance without a port", '[media.rtpengine]\ninstances = ["udp:192.0.2.10"]'),
    Mistake("An instance by name", '[media.rtpengine]\ninstances = ["udp:media.example.com:2223"]'),
    Mistake("A WebSocket without a port", '[media.rtpengine]\ninstances = ["ws://media.example.com"]'),
    Mistake(
        "An instance named twice",
        '[media.rtpengine]\ninstances = ["udp:192.0.2.10:2223", "udp:192.0.2.10:2223"]',
    ),
    Mistake("A weight too many", '[media.rtpengine]\ninstances = ["udp:192.0.2.10:2223"]\nweights = [1, 2]'),
    Mistake("A weight of nothing", '[media.rtpengine]\ninstances = ["udp:192.0.2.10:2223"]\nweights = [0]'),
    Mistake("Weights as one number", "[media.rtpengine]\nweights = 2"),
    Mistake("Keys without a port", '[media.rtpengine]\nkeys_at = "192.0.2.1"'),
    Mistake("Metrics have no port", '[metrics]\nlisten = "127.0.0.1"'),
    Mistake("Metrics have only a port", "[metrics]\nlisten = 9090"),
)
_STIR = '[stir]\ncertificate_url = "https://certs.example.com/shaken.pem"\nkey = '
PEERS = (
    Mistake("A peer has no address", '[[peers]]\nname = "carrier"'),
    Mistake("A peer is known by nothing", '[[peers]]\nname = "carrier"\naddresses = []'),
    Mistake("A peer is a section and no list", '[peers]\nname = "carrier"\naddresses = "carrier.example"'),
    Mistake(
        "A header that says nothing of callers",
        '[[peers]]\nname = "carrier"\naddresses = ["192.0.2.1"]\nidentity = ["contact"]',
    ),
    Mistake("A signing key without its certificate", '[stir]\nkey = "shaken.key"'),
    Mistake(
        "A certificate is fetched without TLS", '[stir]\ncertificate_url = "http://certs.example.com/a.pem"'
    ),
    Mistake(
        "A list has its numbers without quotes", '[[events.lists]]\nname = "desk"\nmembers = [1001, 1002]'
    ),
    Mistake("A list to watch has no members", '[[events.lists]]\nname = "desk"\nmembers = []'),
    Mistake(
        "A list to watch is there twice",
        '[[events.lists]]\nname = "desk"\nmembers = ["1001"]\n\n[[events.lists]]\nname = "desk"\nmembers = ["1002"]',
    ),
    Mistake("A list names an extension twice", '[[events.lists]]\nname = "desk"\nmembers = ["1001", "1001"]'),
    Mistake("A number has no country code", '[stir]\nnumbers = ["12025550100"]'),
    Mistake("The signing key is not there", f'{_STIR}"missing.key"'),
    Mistake("The signing key is no key", f'{_STIR}"pbx.pem"', prepare=write_certificate),
    Mistake("The anchors are no certificates", '[stir]\nanchors = "own.key"', prepare=write_certificate),
)
_TRUNK = '[[trunks]]\nname = "carrier"\nhost = "sip.carrier.example"\n'
TRUNKS = (
    Mistake("A trunk has no host", '[[trunks]]\nname = "carrier"'),
    Mistake("A trunk is a URI", '[[trunks]]\nname = "carrier"\nhost = "sip:sip.carrier.example"'),
    Mistake("A trunk registers as nobody", f"{_TRUNK}registers = true"),
    Mistake("A trunk has two passwords", f'{_TRUNK}username = "a"\npassword = "x"\npassword_file = "y"'),
    Mistake("A password without quotes", f'{_TRUNK}username = "a"\npassword = 1234'),
    Mistake("A prefix is no number", f'{_TRUNK}prefixes = ["zero"]'),
    Mistake("A prefix without quotes", f"{_TRUNK}prefixes = [0]"),
    Mistake("Two trunks of one name", _TRUNK + _TRUNK),
)
_SOCKET = '[[audio_sockets]]\nnumber = "9210"\nurl = "ws://127.0.0.1:8080/"\n'
AUDIO_SOCKETS = (
    Mistake("An audio socket is a web page", '[[audio_sockets]]\nnumber = "9210"\nurl = "https://a.example"'),
    Mistake(
        "An audio socket has a name for a number", '[[audio_sockets]]\nnumber = "bot"\nurl = "ws://a.example"'
    ),
    Mistake("An audio socket has an odd rate", f"{_SOCKET}rate_hz = 44100"),
    Mistake("Two audio sockets of one number", _SOCKET + _SOCKET),
)
GATEWAY = (
    Mistake("The API has no port", '[api]\nlisten = "0.0.0.0"'),
    Mistake("The public URL has no scheme", '[api]\npublic_url = "voice.example.com"'),
    Mistake("The root path has no slash", '[api]\nroot_path = "voice"'),
    Mistake("The API's address is given twice", '[api]\nlisten = "127.0.0.1:8080"\n\n[server]\nport = 8080'),
    Mistake("A token lasts for days, not seconds", "[auth]\ntoken_expiry_secs = 30"),
    Mistake("Two API keys", '[auth]\napi_key = "x"\napi_key_env = "API_KEY"'),
    Mistake("Tokens of an issuer are for anybody", '[auth]\nissuer = "https://login.example.com"'),
    Mistake("An APNs key without its team", '[push.apns]\nkey_path = "AuthKey_ABCDE12345.p8"'),
    Mistake("An APNs key without its id", '[push.apns]\nkey_path = "apns.p8"\nteam_id = "FGHIJ67890"'),
    Mistake("A key id in small letters", '[push.apns]\nkey_id = "abcde12345"'),
    Mistake("A bundle id is the app's name", '[push.apns]\nbundle_id = "My Phone"'),
    Mistake("APNs is there twice", "[apns]\nsandbox = true\n\n[push.apns]\nsandbox = true"),
    Mistake(
        "APNs has a key and a certificate",
        '[push.apns]\nkey_env = "KEY"\nkey_id = "ABCDE12345"\n'
        'team_id = "FGHIJ67890"\ncertificate = "voip.pem"',
    ),
    Mistake("A project is named by its title", '[push.fcm]\nproject_id = "My Phone"'),
    Mistake("A mail address without mailto", '[push.webpush]\nsubject = "voice@example.com"'),
    Mistake("A webhook without its secret", '[push.webhook]\nurl = "https://backend.example.com/wake"'),
    Mistake(
        "The password of a proxy stands in its URL", '[push]\nproxy = "http://me:secret@proxy.example.com"'
    ),
    Mistake("A SIP domain is a URI", '[mobile]\ndomains = ["sip:pbx.example.com"]'),
    Mistake("Every registrar is allowed by a star", '[mobile]\nregistrars = ["*"]'),
    Mistake("A way of ringing that does not exist", '[mobile]\nprovisional = "on_push"'),
    Mistake("No answer is told as success", "[mobile]\nno_answer_status = 200"),
    Mistake("The database is another one", '[database]\nurl = "postgres://db.example.com/voice"'),
)
FILES = (
    Mistake("A text has no quotes", "domain = example.com"),
    Mistake("A quotation mark is missing", '[log]\nlevel = "debug'),
    Mistake("A bracket is missing", '[sip]\nlisten = ["udp:0.0.0.0:5060"\n'),
    Mistake("A colon instead of an equals sign", 'domain: "example.com"'),
    Mistake("A key stands twice", 'domain = "a.example"\ndomain = "b.example"'),
    Mistake("A section stands twice", "[sip]\nnat = true\n\n[sip]\ngrace_s = 5"),
    Mistake("Two settings on one line", 'node = 1 domain = "a.example"'),
    Mistake("JSON with a comma too many", '{\n  "node": 1,\n}', name="settings.json"),
    Mistake("JSON without a comma", '{\n  "node": 1\n  "domain": "a.example"\n}', name="settings.json"),
    Mistake("JSON with single quotes", "{'node': 1}", name="settings.json"),
    Mistake("JSON that is no object", '["udp:0.0.0.0:5060"]', name="settings.json"),
    Mistake(
        "The file is not UTF-8",
        prepare=lambda path: path.write_bytes(b'# caf\xc3\xa9\ndomain = "b\xfccher.example"\n'),
        shown="A file in Latin-1, with a letter beyond ASCII in its second line.",
    ),
    Mistake(
        "The file is UTF-16",
        prepare=lambda path: path.write_bytes('domain = "a.example"'.encode("utf-16")),
        shown="A file as some editors of Windows save it.",
    ),
    Mistake("The file is not there", prepare=lambda _path: None, shown="There is no file of that name."),
    Mistake("A folder instead of a file", prepare=lambda path: path.mkdir(), shown="The name of a folder."),
    Mistake(
        "The file may not be read",
        prepare=lambda path: path.touch(),
        shown="A file that the user who runs `trunkline` has no right to read.",
    ),
    Mistake(
        "The wrong file",
        prepare=lambda path: path.write_bytes(b"#" * 1_000_001),
        shown="A file of more than a million bytes.",
    ),
)
SEVERAL = (
    Mistake(
        "Several mistakes are told at once",
        'domian = "example.com"\n\n[sip]\nnat = 1\n\n[media]\nworkers = 0',
    ),
)
DENIED = "The file may not be read"
CHAPTERS = {
    "Keys and sections": KEYS,
    "Values": VALUES,
    "Listeners": LISTENERS,
    "Media and metrics": MEDIA,
    "Peers and signatures": PEERS,
    "Trunks": TRUNKS,
    "Audio sockets": AUDIO_SOCKETS,
    "The mobile gateway": GATEWAY,
    "Files": FILES,
    "Several": SEVERAL,
}
ALL = tuple(mistake for chapter in CHAPTERS.values() for mistake in chapter)
_INTRO = """# Wrong settings, and what is said about them

This page is generated from the tests (`make docs`).

A wrong file stops the start, and `trunkline reload` refuses it without harm. `trunkline check --config FILE` says
the same without starting anything. Each line names the file, the key as the file spells it, what stood there, what
may stand there, and in parentheses what to do. All wrong settings are told at once; a file that is no TOML or JSON
is told with its line and column. An empty file is not wrong: every setting has a default.
"""


def said(mistake: Mistake, folder: Path) -> str:
    """What a start says about it, with the file's own name for its path; "" when it finds nothing wrong."""
    path = folder / mistake.name
    if mistake.text:
        path.write_text(mistake.text + "\n")
    if mistake.prepare is not None:
        mistake.prepare(path)
    with contextlib.chdir(folder), contextlib.ExitStack() as stack:
        if mistake.title == DENIED:  # root may read everything
            refusal = PermissionError(13, "Permission denied")
            stack.enter_context(patch.object(Path, "open", side_effect=refusal))
        try:
            loaded = load_settings(path, folder, host=HOST, env={})
            signatures_of(loaded.settings.stir, lambda: 0.0)
            Tls(tls_settings(loaded.settings, folder, HOST)).prepare(listeners_of(loaded.settings, "0000"))
        except ConfigError as error:
            return str(error).replace(str(path), mistake.name)
    return ""


def page() -> str:
    """The whole page."""
    parts = [_INTRO]
    for chapter, mistakes in CHAPTERS.items():
        parts.append(f"## {chapter}\n")
        parts += [_section(mistake) for mistake in mistakes]
    return "\n".join(parts)


def messages_on(text: str) -> dict[str, str]:
    """What a page says about each mistake, by its title."""
    found = re.findall(r"^### (.+)\n(?:.|\n)*?```text\n((?:.|\n)*?)\n```$", text, re.MULTILINE)
    return dict(found)


def _section(mistake: Mistake) -> str:
    with tempfile.TemporaryDirectory() as folder:
        message = said(mistake, Path(folder))
    kind = mistake.name.rpartition(".")[2]
    given = mistake.shown or f"```{kind}\n{mistake.text}\n```"
    return f"### {mistake.title}\n\n{given}\n\n```text\n{message}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(page())
