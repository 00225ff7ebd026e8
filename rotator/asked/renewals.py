"""Rotate, approve, pause, resume."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase

from rotator.asked.named import EVERYTHING, MOST_NAMED, Declined, certificate_of, known_specs, nearest, until
from rotator.core.limits import open_ask
from rotator.core.model import Ask, Facts, Pause
from rotator.core.noticetext import run
from rotator.core.pem import moment
from rotator.core.policy import decide
from rotator.inventory import look_again
from rotator.ports import Request
from rotator.wiring import Wiring
from rotator.world import World


def rotate(request: Request, wiring: Wiring) -> str:
    """Note that a person asks for it, and say what that brings."""
    world = wiring.world
    spec = certificate_of(request, world)
    looked = look_again(spec, world, world.clock.now())
    asked = _ask_of(request).besides(open_ask(looked))
    world.store.keep_ask(spec.name, asked)
    facts, forced = _asking(looked, asked), _forced(asked, spec.name)
    decision = decide(facts, world.policy)
    if decision.due:
        return f"{spec.name}: {decision.action} begins now, because {decision.because or decision.reason}"
    if decision.wanted is not None:
        named = run("rotate", spec.name, "--force") in decision.message
        at_once = f"; `{forced}` renews it now" if not named and _would_be_forced(facts, asked, world) else ""
        raise Declined(f"{spec.name} is noted, but {decision.reason} holds it back: {decision.told}{at_once}")
    raise Declined(f"{spec.name} needs nothing: {decision.message}; `{forced}` renews it all the same")


def _ask_of(request: Request) -> Ask:
    said, at = request.arguments, request.at
    key_after = at if said.get("new_key") == "yes" else None
    return Ask(at, force=said.get("force") == "yes", reason=said.get("reason", ""), key_after=key_after)


def _asking(facts: Facts, ask: Ask) -> Facts:
    return replace(facts, history=replace(facts.history, ask=ask))


def _would_be_forced(facts: Facts, ask: Ask, world: World) -> bool:
    """Whether the same with `--force` would begin now: without it a second look and the gap are waited for."""
    return not ask.force and decide(_asking(facts, replace(ask, force=True)), world.policy).due


def _forced(ask: Ask, name: str) -> str:
    """The same command with `--force`."""
    key = ("--new-key",) if ask.key_after else ()
    return run("rotate", name, "--force", *key, *(("--reason", ask.reason) if ask.reason else ()))


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
