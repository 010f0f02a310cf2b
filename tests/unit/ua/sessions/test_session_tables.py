"""What holds for the tables of both kinds of session, whatever they do."""

from __future__ import annotations

from types import ModuleType

import pytest

from trunkline.proto.sip.transaction.machine import Table
from trunkline.ua.sessions import client, server
from trunkline.ua.sessions.client import ClientSession
from trunkline.ua.sessions.server import ServerSession

TABLES: dict[str, tuple[ModuleType, Table]] = {
    "client": (client, ClientSession.TABLE),
    "server": (server, ServerSession.TABLE),
}
PAIRS = [
    pytest.param(module, table, state, what, id=f"{name}-{state}-{what}")
    for name, (module, table) in TABLES.items()
    for state in table
    for what in module.INPUTS
]
both = pytest.mark.parametrize(("module", "table"), TABLES.values(), ids=TABLES)


@pytest.mark.parametrize(("module", "table", "state", "what"), PAIRS)
def test_every_input_is_either_handled_or_declared_ignored(
    module: ModuleType, table: Table, state: int, what: int
) -> None:
    if state == module.ENDED:
        assert not table[state]
    else:
        assert (what in table[state]) != ((state, what) in module.IGNORED)


@both
def test_what_is_ignored_is_a_pair_of_the_table_and_has_a_reason(module: ModuleType, table: Table) -> None:
    for (state, what), reason in module.IGNORED.items():
        assert state in table
        assert what in module.INPUTS
        assert reason


@both
def test_every_state_is_reached_and_leads_to_the_end(module: ModuleType, table: Table) -> None:
    first = next(iter(table))
    assert reachable(table, first) == set(table)
    for state in table:
        assert module.ENDED in reachable(table, state)


@both
def test_a_session_that_ends_is_released_last(module: ModuleType, table: Table) -> None:
    for rows in table.values():
        for following, actions in rows.values():
            if following == module.ENDED:
                assert actions[-1].__name__ == "release"


def reachable(table: Table, first: int) -> set[int]:
    seen: set[int] = set()
    front = [first]
    while front:
        state = front.pop()
        if state not in seen:
            seen.add(state)
            front += [following for following, _ in table[state].values()]
    return seen
