"""How a number registers: its bindings, the attempts that are remembered, the bans of where it comes from."""

from __future__ import annotations

from collections.abc import Iterable

from trunkline.app.explain.attempts import Attempt, Attempts
from trunkline.app.explain.fork import place_of_binding, transport_of
from trunkline.app.explain.hints import hint_of
from trunkline.app.explain.stages import stage_of
from trunkline.app.explain.view import View
from trunkline.base.messages import (
    AttemptRow,
    BoundRow,
    Explanation,
    RecentRegisters,
    RegisterHistory,
    StoryStep,
)
from trunkline.base.story import Story
from trunkline.model.binding import Binding
from trunkline.net.fence.source import source_of
from trunkline.net.listener import split_host_port
from trunkline.pbx.directory import TenantEntry
from trunkline.registrar.push_parameters import shown
from trunkline.registrar.targets import target_of

MOST = 20


def history_of(view: View, tenant: str, ask: RecentRegisters, attempts: Attempts | None) -> RegisterHistory:
    """Everything that is known of a number, which may not exist."""
    bindings = view.bindings(tenant, ask.number)
    kept = attempts.of(tenant, ask.number) if attempts is not None else []
    kept = _with_bound(kept, bindings)[: max(1, min(ask.last, MOST))]
    owner = next(one for one in view.snapshot.directory.tenants if one.id == tenant)
    return RegisterHistory(
        number=ask.number,
        known=ask.number in owner.extensions,
        bound=tuple(_bound(view, one) for one in bindings),
        attempts=tuple(_row(ask.number, one) for one in kept),
        notes=tuple(_notes(view, owner, ask.number, [*map(_address, bindings), *map(_source, kept)])),
    )


def _with_bound(kept: list[Attempt], bindings: Iterable[Binding]) -> list[Attempt]:
    """The attempts that made the bindings too, which are told by the bindings themselves."""
    told = {step.text for one in kept for step in one.story.steps}
    made = []
    for binding in bindings:
        text = f"{binding.user} is reached at {shown(binding.contact)}"
        if text not in told:
            story = Story(0.0)
            story.add(0.0, "register.bound", text, received=binding.received)
            made.append(Attempt(binding.registered_at, binding.received, story))
    return sorted([*kept, *made], key=lambda one: one.at, reverse=True)


def _bound(view: View, binding: Binding) -> BoundRow:
    find = view.live.flow_from_token if view.live is not None else (lambda _token: None)
    return BoundRow(
        shown(binding.contact),
        binding.received,
        transport_of(binding),
        binding.registered_at,
        binding.refreshed_at,
        binding.expires_at - view.wall,
        target_of(binding, find, view.policy).flow is not None,
        binding.user_agent,
    )


def _row(number: str, attempt: Attempt) -> AttemptRow:
    steps = attempt.story.steps
    told = tuple(
        StoryStep(
            round((step.at - attempt.story.started) * 1000),
            step.code,
            step.text,
            dict(step.data or {}),
            stage_of(step.code),
            hint_of(step.code, step.text, step.data or {}).replace("NUMBER", number),
        )
        for step in steps
    )
    last = told[-1]
    status = int(last.data.get("status") or 0) or (401 if attempt.refused else 200)
    hint = next((step.hint for step in told if step.hint), "")
    what = "was refused" if attempt.refused else "changed"
    subject = f"the registration of {number} {what}, from {attempt.source}"
    return AttemptRow(
        attempt.at,
        attempt.source,
        attempt.times,
        Explanation(subject=subject, outcome=last.code, text=last.text, status=status, steps=told, hint=hint),
    )


def _notes(view: View, owner: TenantEntry, number: str, addresses: Iterable[str]) -> Iterable[str]:
    if number not in owner.extensions:
        yield f"{number} is no extension of the tenant {owner.name}: trunkline extension add {number}"
    elif not owner.extensions[number].secrets:
        yield f"{number} has no password and cannot register: trunkline extension set {number} --generate"
    if view.live is None:
        yield "no exchange runs: attempts are remembered only while one does"
        return
    sources = {source_of(one) for one in addresses if one}
    for ban in view.live.fence.bans(view.live.now):
        if ban.source in sources:
            left = round(ban.until - view.live.now)
            yield f"{ban.source} is banned for {left} s more ({ban.why}): trunkline bans clear {ban.source}"


def _address(binding: Binding) -> str:
    return place_of_binding(binding).address


def _source(attempt: Attempt) -> str:
    """The address of where an attempt came from, which may have a port."""
    try:
        return split_host_port(attempt.source)[0]
    except ValueError:
        return attempt.source
