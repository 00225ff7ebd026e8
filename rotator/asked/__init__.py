"""What people ask for: rotate, roll back, approve, pause, revoke, campaigns; done by the daemon, else by the CLI.

Every request is written to the audit with who asked for it. An answer is one sentence for the person who asked; it
begins with `not done: ` where nothing came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from rotator import accounts
from rotator.app import Tick, after, finish_what_was_cut_off, look_and_plan, remember
from rotator.asked import campaigning, renewals
from rotator.asked.campaigning import campaign_asked_for
from rotator.asked.named import EVERYTHING, Declined, known_specs, nearest, spec_named
from rotator.asked.revoking import revoke_one
from rotator.asked.rolling_back import roll_back
from rotator.core.model import Outcome
from rotator.errors import RotatorError
from rotator.log import logger
from rotator.ports import Request
from rotator.rotate import rotate
from rotator.wiring import Wiring

__all__ = [
    "EVERYTHING",
    "NOT_DONE",
    "Declined",
    "campaign_asked_for",
    "carry_out",
    "known_specs",
    "nearest",
    "rotate_now",
    "spec_named",
    "subject_of",
]

log = logger(__name__)

NOT_DONE = "not done: "


def carry_out(request: Request, wiring: Wiring) -> str:
    """Do what a person asked for; the answer is one sentence for that person, also where it cannot be done.

    A `rotate` is only noted here: the look that follows begins it.

    Raises:
        StateError: the audit cannot be written.
    """
    try:
        answer = _deed(request.verb)(request, wiring)
    except RotatorError as error:
        answer = f"{NOT_DONE}{error}"
    except Exception as error:
        # Unanswered it would be tried every second, and whoever asked later would wait behind it for ever.
        log.exception("a request failed by a fault in rotator itself", verb=request.verb)
        answer = f"{NOT_DONE}a fault in rotator itself ({type(error).__name__}); its log says more"
    subject = subject_of(request.arguments)
    why = request.arguments.get("reason")
    detail = f"by {request.by}{f', because {why}' if why else ''}: {answer}"
    wiring.world.store.audit(f"asked-{request.verb}", subject, detail, wiring.world.clock.now())
    return answer


def subject_of(arguments: Mapping[str, str]) -> str:
    """What a request is about: a campaign, a certificate, a glob, an issuer, or everything."""
    number = arguments.get("campaign")
    if number:
        return f"campaign {number}"
    return next((named for word in ("certificate", "match", "issuer") if (named := arguments.get(word))), EVERYTHING)


def _deed(verb: str) -> Callable[[Request, Wiring], str]:
    if verb not in _DEEDS:
        raise Declined(f"this rotator does not know how to {verb}; it may be older than the CLI that asked")
    return _DEEDS[verb]


def rotate_now(wiring: Wiring, certificates: Iterable[str]) -> tuple[Outcome, ...]:
    """One look, in which only these certificates are rotated; waits until they are done, and tells.

    Raises:
        StateError: the state cannot be used.
    """
    world, names = wiring.world, frozenset(certificates)
    finish_what_was_cut_off(wiring)
    inventory, plan = look_and_plan(world, world.clock.now())
    remember(wiring, inventory, plan)
    for decision in plan.due:
        if decision.spec.name in names:
            wiring.executor.submit(decision.spec.name, partial(rotate, decision, world))
    wiring.executor.drain()
    outcomes = wiring.executor.collect()
    after(wiring, Tick(inventory, plan, ()), outcomes)
    return outcomes


_DEEDS: Mapping[str, Callable[[Request, Wiring], str]] = {
    "rotate": renewals.rotate,
    "rollback": roll_back,
    "approve": renewals.approve,
    "pause": renewals.pause,
    "resume": renewals.resume,
    "revoke": revoke_one,
    "account-update": lambda request, wiring: accounts.update(request.arguments, wiring.world),
    "account-roll-key": lambda request, wiring: accounts.roll_key(request.arguments, wiring.world),
    "account-deactivate": lambda request, wiring: accounts.deactivate(request.arguments, wiring.world),
    "campaign": campaigning.begin_campaign,
    "campaign-pause": campaigning.pause_campaign,
    "campaign-resume": campaigning.resume_campaign,
    "campaign-cancel": campaigning.cancel_campaign,
}
