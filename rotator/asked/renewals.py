"""Rotate, approve, pause, resume."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase

from rotator.asked.named import EVERYTHING, MOST_NAMED, Declined, certificate_of, known_specs, nearest, until
from rotator.core.model import Facts, Pause
from rotator.core.noticetext import run
from rotator.core.pem import moment
from rotator.core.policy import decide
from rotator.inventory import look_again
from rotator.ports import Request
from rotator.wiring import Wiring
from rotator.world import World


def rotate(request: Request, wiring: Wiring) -> str:
    world, force = wiring.world, request.arguments.get("force") == "yes"
    spec = certificate_of(request, world)
    said = request.arguments
    new_key = said.get("new_key") == "yes"
    world.store.ask(spec.name, force=force, reason=said.get("reason", ""), at=request.at, new_key=new_key)
    facts = look_again(spec, world, world.clock.now())
    decision = decide(facts, world.policy)
    if decision.due:
        return f"{spec.name}: {decision.action} begins now, because {decision.because or decision.reason}"
    if decision.wanted is not None:
        at_once = f"; `{run('rotate', spec.name, '--force')}` renews it now" if _would_be_forced(facts, world) else ""
        raise Declined(f"{spec.name} is noted, but {decision.reason} holds it back: {decision.told}{at_once}")
    raise Declined(f"{spec.name} needs nothing: {decision.message}; `--force` renews it all the same")


def _would_be_forced(facts: Facts, world: World) -> bool:
    """Whether the same with `--force` would begin now: without it a second look and the gap are waited for."""
    ask = facts.history.ask
    if ask is None or ask.force:
        return False
    forced = replace(facts, history=replace(facts.history, ask=replace(ask, force=True)))
    return decide(forced, world.policy).due


def approve(request: Request, wiring: Wiring) -> str:
    store = wiring.world.store
    if request.arguments.get("certificate") == EVERYTHING:
        store.approve(EVERYTHING, request.at)
        return "unforeseen renewals in bulk are let through for a day"
    spec = certificate_of(request, wiring.world)
    reasons = store.approve(spec.name, request.at)
    if not reasons:
        raise Declined(f"{spec.name} waits for no approval; `rotator show {spec.name}` says what it waits for")
    return f"{spec.name} is approved ({', '.join(reasons)}) and is looked at again now"


def pause(request: Request, wiring: Wiring) -> str:
    world, match = wiring.world, request.arguments.get("match") or EVERYTHING
    specs = known_specs(world.store, world.specs)
    names = [name for name in sorted(specs) if fnmatchcase(name, match)]
    if not names and match != EVERYTHING:
        raise Declined(f"no certificate matches {match!r}{nearest(match, specs)}")
    ends_at = until(request.arguments.get("until", ""), request.at)
    world.store.pause(match, Pause(request.arguments.get("reason", ""), request.at, ends_at))
    ends = f"until {moment(ends_at)}" if ends_at else "until somebody resumes it"
    return f"paused {ends}: {_some(names) if match != EVERYTHING else 'everything'}"


def resume(request: Request, wiring: Wiring) -> str:
    store, match = wiring.world.store, request.arguments.get("match") or EVERYTHING
    before = store.pauses()
    store.resume(match, request.at)
    ended = sorted(set(before) - set(store.pauses()))
    if ended:
        return f"resumed: {', '.join(ended)}"
    if not before:
        raise Declined("nothing is paused")
    raise Declined(f"no pause was given as {match!r}; in force: {', '.join(sorted(before))}")


def _some(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return f"{', '.join(names[:MOST_NAMED])}{f' and {more} more' if more > 0 else ''}"
