"""What holds for every table of a transaction machine, whatever it does."""

from __future__ import annotations

import inspect
import itertools
from types import ModuleType

import pytest

from tests.unit.proto.sip.samples import request, request_bytes, response
from tests.unit.proto.sip.transaction.kit import FakeWire, User, World
from trunkline.proto.sip.transaction import client_invite, client_non_invite, server_invite, server_non_invite
from trunkline.proto.sip.transaction.machine import BROKEN, EXPIRE, RESEND, Table, Transaction

MACHINES = [client_invite, client_non_invite, server_invite, server_non_invite]
FIRST = 0
STATES = ("CALLING", "TRYING", "PROCEEDING", "ACCEPTED", "COMPLETED", "CONFIRMED", "TERMINATED")
COMMON = {"RESEND": RESEND, "EXPIRE": EXPIRE, "BROKEN": BROKEN}


def states(module: ModuleType) -> dict[int, str]:
    return {vars(module)[name]: name for name in STATES if name in vars(module)}


def inputs(module: ModuleType) -> dict[int, str]:
    own = {
        name: value
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, int) and value >= 10
    }
    return {value: name for name, value in (COMMON | own).items()}


def table(module: ModuleType) -> Table:
    (machine,) = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Transaction) and value.TABLE
    ]
    return machine.TABLE


def short(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


PAIRS = [
    pytest.param(module, state, what, id=f"{short(module)}-{states(module)[state]}-{name}")
    for module in MACHINES
    for state in states(module)
    for what, name in inputs(module).items()
]
STATES_OF_ALL = [
    pytest.param(module, state, id=f"{short(module)}-{name}")
    for module in MACHINES
    for state, name in states(module).items()
]


@pytest.mark.parametrize("module", MACHINES, ids=short)
def test_a_machine_names_its_states_and_inputs_once(module: ModuleType) -> None:
    assert states(module).keys() == table(module).keys()
    assert states(module)[FIRST] in {"CALLING", "TRYING", "PROCEEDING"}
    assert set(inputs(module)) == set(module.INPUTS)
    assert len(inputs(module)) == len(module.INPUTS)


@pytest.mark.parametrize(("module", "state", "what"), PAIRS)
def test_every_input_is_either_handled_or_declared_ignored(module: ModuleType, state: int, what: int) -> None:
    if state == module.TERMINATED:
        assert what not in table(module)[state]
        assert (state, what) not in module.IGNORED
        return
    assert (what in table(module)[state]) != ((state, what) in module.IGNORED)


@pytest.mark.parametrize("module", MACHINES, ids=short)
def test_what_is_ignored_is_a_pair_of_the_machine_and_has_a_reason(module: ModuleType) -> None:
    for (state, what), reason in module.IGNORED.items():
        assert state in states(module)
        assert what in inputs(module)
        assert reason


@pytest.mark.parametrize(("module", "state"), STATES_OF_ALL)
def test_every_state_is_reached_from_the_first(module: ModuleType, state: int) -> None:
    assert state in reachable(table(module), FIRST)


@pytest.mark.parametrize(("module", "state"), STATES_OF_ALL)
def test_every_state_leads_to_terminated(module: ModuleType, state: int) -> None:
    assert module.TERMINATED in reachable(table(module), state)


@pytest.mark.parametrize(("module", "state"), STATES_OF_ALL)
def test_rows_lead_to_states_and_run_actions(module: ModuleType, state: int) -> None:
    for what, (following, actions) in table(module)[state].items():
        assert what in inputs(module)
        assert following in states(module)
        assert actions
        if following == module.TERMINATED:
            assert actions[-1].__name__ == "leave", "a transaction that ends leaves the layer's tables"


@pytest.mark.parametrize("reliable", [False, True], ids=["udp", "tcp"])
@pytest.mark.parametrize("module", MACHINES, ids=short)
def test_whatever_happens_armed_timers_are_handled_and_the_end_keeps_nothing(
    module: ModuleType, reliable: bool
) -> None:
    for path in itertools.product(inputs(module), repeat=3):
        world = World()
        machine = begun(module, world, world.tcp if reliable else world.udp)
        for what in path:
            machine.step(what, argument(module, what), world.now)
            if machine.state == module.TERMINATED:
                check_end(machine, world)
                break
            if machine.deadline:
                assert EXPIRE in table(module)[machine.state], path
            if machine.interval:
                assert RESEND in table(module)[machine.state], path
            assert machine.armed == bool(machine.deadline or machine.interval)


def check_end(machine: Transaction, world: World) -> None:
    world.assert_nothing_left()
    assert not machine.armed
    for kept in ("data", "draft", "user"):
        assert not getattr(machine, kept, None), f"a finished transaction keeps its {kept}"


def begun(module: ModuleType, world: World, wire: FakeWire) -> Transaction:
    """The machine of a module in its first state."""
    match short(module):
        case "client_invite":
            return world.invite(User(), wire)
        case "client_non_invite":
            return world.request(User(), wire)
        case "server_invite":
            return world.begin_invite(request_bytes(), wire)[0]
        case _:
            return world.begin(request_bytes("OPTIONS"), wire)[0]


def argument(module: ModuleType, what: int) -> object:
    """What comes with an input."""
    name = inputs(module)[what]
    if name.startswith("SEND"):
        return b"SIP/2.0 ..."
    if name == "ACK":
        return request("ACK")
    statuses = {"PROVISIONAL": 180, "SUCCESS": 200, "FINAL": 200, "FAILURE": 486}
    return response(statuses[name]) if name in statuses else None


def reachable(rows: Table, first: int) -> set[int]:
    seen: set[int] = set()
    front = [first]
    while front:
        state = front.pop()
        if state not in seen:
            seen.add(state)
            front += [following for following, _ in rows[state].values()]
    return seen
