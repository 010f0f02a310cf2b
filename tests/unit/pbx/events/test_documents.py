"""The documents of the packages, byte for byte."""

from __future__ import annotations

from typing import cast

import pytest

from trunkline.base.wheel import TimerWheel
from trunkline.model.binding import Binding
from trunkline.pbx.events.dialog_info import Told
from trunkline.pbx.events.dialog_info import render as render_dialogs
from trunkline.pbx.events.message_summary import Waiting
from trunkline.pbx.events.message_summary import render as render_summary
from trunkline.pbx.events.plane import _elements_of
from trunkline.pbx.events.presence import PresencePackage
from trunkline.pbx.events.publications import Publications
from trunkline.pbx.events.reg_info import RegPackage
from trunkline.registrar.gruu import Gruus
from trunkline.ua.subscriptions import Subscription, Watch

pytestmark = pytest.mark.rule("T-38")

BOB = "sip:1002@pbx.test"


class Subscribed:
    """What packages look at of a subscription."""

    def __init__(self, number: str = "1002") -> None:
        self.watch = Watch("t1", "1001", number, "pbx.test")
        self.version = 0
        self.told: dict[str, object] = {}

    def __call__(self) -> Subscription:
        return cast("Subscription", self)


def dialogs(*told: Told, reachable: bool = True, shows_callers: bool = True) -> str:
    return render_dialogs(
        BOB, 7, told, reachable=reachable, shows_callers=shows_callers, domain="pbx.test"
    ).decode()


@pytest.mark.rfc("4235", "4.4")
def test_an_idle_extension() -> None:
    assert dialogs() == (
        '<?xml version="1.0"?>\r\n'
        '<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="7" state="full" '
        'entity="sip:1002@pbx.test">\r\n'
        "</dialog-info>\r\n"
    )


@pytest.mark.rfc("4235", "4.4")
def test_an_extension_that_is_not_registered() -> None:
    assert dialogs(reachable=False) == (
        '<?xml version="1.0"?>\r\n'
        '<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="7" state="full" '
        'entity="sip:1002@pbx.test">\r\n'
        '<tuple xmlns="urn:ietf:params:xml:ns:pidf" id="registration"><status><basic>closed</basic></status>'
        "</tuple>\r\n"
        "</dialog-info>\r\n"
    )


RINGING = Told("l1", "early", "recipient", "a84b4c76e66710@x", "their", "our", "1001", 'Anna "A" <&>')


@pytest.mark.rfc("4235", "4.1")
def test_a_phone_that_rings() -> None:
    assert dialogs(RINGING) == (
        '<?xml version="1.0"?>\r\n'
        '<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="7" state="full" '
        'entity="sip:1002@pbx.test">\r\n'
        '<dialog id="l1" call-id="a84b4c76e66710@x" local-tag="their" remote-tag="our" direction="recipient">\r\n'
        "<state>early</state>\r\n"
        '<local><identity>sip:1002@pbx.test</identity><target uri="sip:1002@pbx.test"/></local>\r\n'
        '<remote><identity display="Anna &quot;A&quot; &lt;&amp;&gt;">sip:1001@pbx.test</identity>'
        '<target uri="sip:1001@pbx.test"/></remote>\r\n'
        "</dialog>\r\n"
        "</dialog-info>\r\n"
    )


def test_who_may_not_see_callers_sees_none() -> None:
    hidden = dialogs(RINGING, shows_callers=False)
    assert "<remote>" not in hidden
    assert "1001" not in hidden
    assert 'call-id="a84b4c76e66710@x"' in hidden


@pytest.mark.rfc("3842", "5.2")
@pytest.mark.parametrize(("new", "word"), [(2, "yes"), (0, "no")])
def test_waiting_messages(new: int, word: str) -> None:
    assert render_summary(BOB, Waiting(new, 8, 1, 3)).decode() == (
        f"Messages-Waiting: {word}\r\nMessage-Account: sip:1002@pbx.test\r\nVoice-Message: {new}/8 (1/3)\r\n"
    )


def binding(**rest: object) -> Binding:
    made = Binding(
        "t1",
        "1002",
        "b1",
        "sip:1002@192.0.2.1:5060;transport=tcp",
        "flow",
        "192.0.2.1:5060",
        "c&1",
        7,
        1000.0,
        4600.0,
    )
    for name, value in rest.items():
        setattr(made, name, value)
    return made


@pytest.mark.rfc("3680", "5.1")
def test_registrations() -> None:
    live = [binding(q=500)]
    package = RegPackage(lambda _tenant, _number, _now: live, lambda: 1060.4)
    assert package.compose(Subscribed()()).decode() == (
        '<?xml version="1.0"?>\r\n'
        '<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" xmlns:gr="urn:ietf:params:xml:ns:gruuinfo" version="0" '
        'state="full">\r\n'
        '<registration aor="sip:1002@pbx.test" id="1002" state="active">\r\n'
        '<contact id="b1" state="active" event="registered" duration-registered="60" expires="3540" q="0.5" '
        'callid="c&amp;1" cseq="7"><uri>sip:1002@192.0.2.1:5060;transport=tcp</uri></contact>\r\n'
        "</registration>\r\n"
        "</reginfo>\r\n"
    )


@pytest.mark.rfc("8599", "13")
def test_how_a_phone_is_woken_stands_in_no_document() -> None:
    contact = "sip:1002@192.0.2.1:5060;transport=tcp;pn-provider=apns;pn-param=T.b;pn-prid=secret;ob"
    package = RegPackage(lambda _tenant, _number, _now: [binding(contact=contact)], lambda: 1060.4)
    document = package.compose(Subscribed()()).decode()
    assert "<uri>sip:1002@192.0.2.1:5060;transport=tcp;ob</uri>" in document
    assert "secret" not in document + repr(binding(contact=contact))


@pytest.mark.rfc("5628", "5")
@pytest.mark.rule("T-30")
def test_registrations_with_gruus() -> None:
    live = [binding(instance="<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>", epoch="00" * 8)]
    package = RegPackage(lambda _tenant, _number, _now: live, lambda: 1060.0, _elements_of(Gruus(b"k" * 32)))
    body = package.compose(Subscribed()()).decode()
    assert (
        '<gr:pub-gruu uri="sip:1002@pbx.test;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"/>'
        '<gr:temp-gruu uri="sip:tgruu.' in body
    )
    assert '@pbx.test;gr" first-cseq="7"/></contact>' in body


@pytest.mark.rfc("3863", "4.1")
@pytest.mark.parametrize(("reachable", "word"), [(True, "open"), (False, "closed")])
def test_presence_that_nobody_published(reachable: bool, word: str) -> None:
    publications = Publications(TimerWheel(), lambda _tenant, _number: None)
    package = PresencePackage(publications, lambda _t, _n: reachable, lambda _t, _n: False)
    assert package.compose(Subscribed()()).decode() == (
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        '<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:1002@pbx.test">'
        f'<tuple id="registration"><status><basic>{word}</basic></status></tuple>'
        "</presence>"
    )
