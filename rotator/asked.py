"""What people ask for: rotate, roll back, approve, pause, resume. The daemon carries it out; where none runs, the CLI.

Every request is written to the audit with who asked for it. An answer is one sentence for the person who asked; it
begins with `not done: ` where nothing came of it.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import partial

from rotator import accounts
from rotator.app import Tick, after, finish_what_was_cut_off, look_and_plan, remember
from rotator.campaigns import begin, cancel, told_in_short
from rotator.core.model import (
    Campaign,
    CampaignStatus,
    CertificateSpec,
    Facts,
    MemberStatus,
    Outcome,
    Pause,
    Quarantine,
    RevocationReason,
    RevocationState,
)
from rotator.core.pem import moment, parse_certificate
from rotator.core.policy import decide
from rotator.core.sightings import place
from rotator.errors import RotatorError, TargetError
from rotator.inventory import look_again, take_stock
from rotator.log import logger
from rotator.ports import Request, Store, StoredBundle, Target
from rotator.revoke import Candidate, in_use, renew_first, revoke, used_elsewhere
from rotator.rotate import rotate
from rotator.steps.prove import await_condition
from rotator.wiring import Wiring
from rotator.world import World

log = logger(__name__)

EVERYTHING = "*"
NOT_DONE = "not done: "
_MOST_NAMED = 5


class Declined(RotatorError):  # noqa: N818 - reads as what happened
    """What was asked for cannot be done, and why."""


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


# ---------------------------------------------------------------- which certificates


def known_specs(store: Store | None, declared: Iterable[CertificateSpec]) -> Mapping[str, CertificateSpec]:
    """Every certificate that is looked after, by name: as the last plan had it, declared ones as the config has it."""
    if store is None:
        return {spec.name: spec for spec in declared}
    plan = store.plan()
    planned = {decision.spec.name: decision.spec for decision in plan.decisions} if plan else {}
    adopted = {spec.name: spec for spec in store.adopted()}
    return {**adopted, **planned, **{spec.name: spec for spec in declared}}


def spec_named(name: str, specs: Mapping[str, CertificateSpec]) -> CertificateSpec:
    """The certificate of that name.

    Raises:
        Declined: there is none; the nearest names are in the sentence.
    """
    if name in specs:
        return specs[name]
    raise Declined(f"there is no certificate {name!r}{nearest(name, specs)}")


def nearest(name: str, specs: Mapping[str, CertificateSpec]) -> str:
    """The end of a sentence about a name that is not known: `; did you mean shop or shop-eu?`"""
    if not specs:
        return "; nothing has been looked at yet, so only declared certificates are known"
    by_dns_name = [spec.name for spec in specs.values() if name in spec.names]
    close = list(dict.fromkeys([*by_dns_name, *get_close_matches(name, specs, n=3, cutoff=0.5)]))
    return f"; did you mean {' or '.join(close)}?" if close else "; `rotator status --all` lists them"


def _certificate(request: Request, world: World) -> CertificateSpec:
    return spec_named(request.arguments.get("certificate", ""), known_specs(world.store, world.specs))


# ---------------------------------------------------------------- the deeds


def _rotate(request: Request, wiring: Wiring) -> str:
    world, force = wiring.world, request.arguments.get("force") == "yes"
    spec = _certificate(request, world)
    said = request.arguments
    new_key = said.get("new_key") == "yes"
    world.store.ask(spec.name, force=force, reason=said.get("reason", ""), at=request.at, new_key=new_key)
    decision = decide(look_again(spec, world, world.clock.now()), world.policy)
    if decision.due:
        return f"{spec.name}: {decision.action} begins now, because {decision.because or decision.reason}"
    if decision.wanted is not None:
        raise Declined(f"{spec.name} is noted, but {decision.reason} holds it back: {decision.message}")
    raise Declined(f"{spec.name} needs nothing: {decision.message}; `--force` renews it all the same")


def _approve(request: Request, wiring: Wiring) -> str:
    store = wiring.world.store
    if request.arguments.get("certificate") == EVERYTHING:
        store.approve(EVERYTHING, request.at)
        return "unforeseen renewals in bulk are let through for a day"
    spec = _certificate(request, wiring.world)
    reasons = store.approve(spec.name, request.at)
    if not reasons:
        raise Declined(f"{spec.name} waits for no approval; `rotator show {spec.name}` says what it waits for")
    return f"{spec.name} is approved ({', '.join(reasons)}) and is looked at again now"


def _pause(request: Request, wiring: Wiring) -> str:
    world, match = wiring.world, request.arguments.get("match") or EVERYTHING
    specs = known_specs(world.store, world.specs)
    names = [name for name in sorted(specs) if fnmatchcase(name, match)]
    if not names and match != EVERYTHING:
        raise Declined(f"no certificate matches {match!r}{nearest(match, specs)}")
    until = _until(request.arguments.get("until", ""), request.at)
    world.store.pause(match, Pause(request.arguments.get("reason", ""), request.at, until))
    ends = f"until {moment(until)}" if until else "until somebody resumes it"
    return f"paused {ends}: {_some(names) if match != EVERYTHING else 'everything'}"


def _until(text: str, now: datetime) -> datetime | None:
    if not text:
        return None
    try:
        until = datetime.fromisoformat(text)
    except ValueError as error:
        raise Declined(f"{text!r} is no moment; write one like 2027-01-31T08:00+00:00") from error
    if until.tzinfo is None:
        raise Declined(f"{text!r} has no time zone; write one like 2027-01-31T08:00+00:00")
    if until <= now:
        raise Declined(f"{moment(until)} has passed already")
    return until


def _resume(request: Request, wiring: Wiring) -> str:
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
    more = len(names) - _MOST_NAMED
    return f"{', '.join(names[:_MOST_NAMED])}{f' and {more} more' if more > 0 else ''}"


# ---------------------------------------------------------------- roll back by hand


def _roll_back(request: Request, wiring: Wiring) -> str:
    """Put the previous certificate back at every target; safe to repeat where it was cut off.

    What keeps the next look from undoing it (quarantine and hold) is stored before anything is touched.
    """
    world = wiring.world
    spec = _certificate(request, world)
    with world.store.lock(spec.name):
        now = world.clock.now()
        newer, previous = _two_newest(spec.name, world, now)
        facts = look_again(spec, world, now)
        _require_ours(facts)
        targets = [world.target(spec.name, target) for target in spec.targets]
        why = f"{request.by} put the previous certificate back by `rotator rollback`"
        for target in targets:
            held = Quarantine(target.location, newer.bundle.chain.fingerprint, spec.digest, now, None, by_hand=True)
            world.store.quarantine(spec.name, held)
        world.store.hold_by_hand(spec.name, why, now)
        failed = [problem for target in targets if (problem := _put_back(previous, target))]
        behind = () if failed else _not_yet_served(previous, facts, targets, world)
    if failed:
        raise Declined(f"{spec.name} could not be put back everywhere: {'; '.join(failed)}")
    ends = f"{spec.name}: the certificate that ends {moment(previous.bundle.chain.not_after)} was put back"
    if behind:
        raise Declined(f"{ends}, but {', '.join(behind)} does not serve it")
    served = " and is served" if facts.served else ""
    return f"{ends}{served}; the newer one is held until `rotator approve {spec.name}`"


def _require_ours(facts: Facts) -> None:
    """What another controller writes, or `rotator/ignore` is set on, is not written by anybody's order."""
    for observation in facts.installed.values():
        if observation.owner is not None:
            owner = observation.owner
            raise Declined(f"{observation.location} belongs to {owner.name} ({owner.kind}); {owner.remedy}")
        if observation.ignored:
            raise Declined(f"{observation.location} carries rotator/ignore, which always wins; remove it first")


def _two_newest(name: str, world: World, now: datetime) -> tuple[StoredBundle, StoredBundle]:
    """The accepted bundle and the one before it that can still be used."""
    bundles = world.store.bundles(name)
    newer = next((one for one in bundles if one.status == "accepted"), None)
    if newer is None:
        raise Declined(f"rotator has not renewed {name} yet, so there is nothing to go back from")
    revoked = world.store.revoked()
    for one in bundles:
        if one.status == "superseded" and one.keys_kept and one.bundle.chain.not_after > now:
            said = world.revocations.said(one.bundle.chain) if world.revocations is not None else None
            by_its_ca = said is not None and said.state is RevocationState.REVOKED
            if one.bundle.chain.fingerprint not in revoked and not by_its_ca:
                return newer, one
            raise Declined(f"the earlier certificate of {name} was revoked, so it is not put back")
    raise Declined(f"no earlier certificate of {name} is kept that is still valid (they are deleted after 72 h)")


def _put_back(previous: StoredBundle, target: Target) -> str:
    """Deploy to one target; every target is tried, so what went wrong is returned: empty when nothing did."""
    try:
        target.deploy(previous.bundle, replacing=target.snapshot().fingerprint)
    except TargetError as error:
        return f"{target.location}: {error}"
    return ""


def _not_yet_served(previous: StoredBundle, facts: Facts, targets: Iterable[Target], world: World) -> tuple[str, ...]:
    """Addresses that were up and do not show the previous certificate within the time the targets need."""
    up = {(s.endpoint, s.address) for sightings in facts.served.values() for s in sightings if s.state.up}
    behind: list[str] = []

    def shown() -> bool:
        behind[:] = [
            place(sighting)
            for sighting in world.probe(tuple(facts.served))
            if (sighting.endpoint, sighting.address) in up and sighting.fingerprint != previous.bundle.chain.fingerprint
        ]
        return not behind

    if up:
        await_condition(shown, max((target.settle for target in targets), default=timedelta(0)), world)
    return tuple(behind)


# ---------------------------------------------------------------- revoke


def _revoke(request: Request, wiring: Wiring) -> str:
    """Revoke one certificate that nobody uses any more; with force also one that is in use."""
    world, arguments = wiring.world, request.arguments
    reason = RevocationReason(arguments.get("reason", RevocationReason.UNSPECIFIED))
    name, force = arguments.get("certificate", ""), arguments.get("force") == "yes"
    spec = known_specs(world.store, world.specs).get(name)
    inventory = take_stock(world, world.clock.now())
    with world.store.lock(spec.name) if spec else nullcontext():
        everything = (look_again(spec, world, world.clock.now()),) if spec else inventory.facts
        candidate = _to_revoke(request, everything, world)
        fingerprint = candidate.certificate.fingerprint
        used = (*in_use(fingerprint, everything), *used_elsewhere(fingerprint, inventory, name))
        if used and not force:
            where = "; ".join(used[:_MOST_NAMED])
            first = f"renew it first, `{renew_first(name, reason)}`" if spec else "see that nobody uses it first"
            raise Declined(f"{fingerprint[:16]}… is still in use ({where}); {first}, or revoke it with --force")
        said = revoke(candidate, reason, world)
        if reason is RevocationReason.KEY_COMPROMISE and spec:
            said += _away_from_its_key(candidate, everything[0], world)
    return f"{said}; it is still in use, and is renewed now" if used and spec else said


def _away_from_its_key(candidate: Candidate, facts: Facts, world: World) -> str:
    """A later certificate with the key that others know is no better: it gets a new one. What is said of it."""
    spec, chain = facts.spec, facts.newest
    if chain is None or chain.fingerprint == candidate.certificate.fingerprint:
        return ""
    if chain.spki != candidate.certificate.spki:
        return ""
    if spec.csr:
        return f"; the current one has the same key, so make a new request with a new key at once ({spec.csr})"
    reason = RevocationReason.KEY_COMPROMISE
    world.store.ask(spec.name, force=True, reason=str(reason), at=world.clock.now(), new_key=True)
    return "; the current one has the same key, and is renewed with a new one now"


def _to_revoke(request: Request, everything: Iterable[Facts], world: World) -> Candidate:
    """The certificate that the request brings; else the one that the named certificate has now."""
    name, issuer = request.arguments.get("certificate", ""), request.arguments.get("issuer", "")
    brought = request.arguments.get("der", "")
    if brought:
        try:
            certificate = parse_certificate(b64decode(brought))
        except ValueError as error:
            raise Declined(f"what was brought is no certificate: {error}") from error
        return Candidate(certificate, name, issuer)
    facts = next((one for one in everything if one.spec.name == name), None)
    if facts is None or facts.newest is None:
        raise Declined(f"no certificate of {name} is known that could be revoked")
    issuer = issuer or facts.history.accepted_issuer
    if not issuer:
        raise Declined(f"nobody knows who signed {facts.newest.fingerprint[:16]}… of {name}; say --issuer")
    return Candidate(facts.newest.leaf, name, issuer)


# ---------------------------------------------------------------- campaigns


def _campaign(request: Request, wiring: Wiring) -> str:
    """Begin a campaign; the look that follows makes its first step."""
    world = wiring.world
    wanted = campaign_asked_for(request.arguments, request.by, world.clock.now())
    same = [c for c in world.store.campaigns(open_only=True) if (c.issuer, c.match) == (wanted.issuer, wanted.match)]
    if same:
        raise Declined(f"campaign {same[0].id} is about the same certificates; `rotator campaign cancel {same[0].id}`")
    inventory = take_stock(world, world.clock.now())
    campaign = begin(wanted, inventory, world)
    skipped = campaign.counts[MemberStatus.SKIPPED]
    left = f", {skipped} of them cannot be done as they are configured" if skipped else ""
    return (
        f"campaign {campaign.id} has begun: {len(campaign.members)} certificates{left}; `rotator run` carries it out, "
        f"`rotator campaign show {campaign.id}` follows it"
    )


def campaign_asked_for(arguments: Mapping[str, str], by: str, now: datetime) -> Campaign:
    """The campaign that a person asks for, without members yet.

    Raises:
        Declined: the deadline is no moment, or has passed.
    """
    return Campaign(
        id=0,
        issuer=arguments.get("issuer", ""),
        match=arguments.get("match", ""),
        reason=RevocationReason(arguments.get("reason", RevocationReason.UNSPECIFIED)),
        by=by,
        began=now,
        away=arguments.get("away") == "yes",
        revoke=arguments.get("revoke") == "yes",
        revoke_unproved=arguments.get("revoke_unproved") == "yes",
        deadline=_until(arguments.get("deadline", ""), now),
    )


def _campaign_named(request: Request, wiring: Wiring) -> Campaign:
    number, store = request.arguments.get("campaign", ""), wiring.world.store
    known = {str(campaign.id): campaign for campaign in store.campaigns()}
    if number not in known:
        raise Declined(f"there is no campaign {number}; there are {', '.join(known) or 'none'}")
    return known[number]


def _pause_campaign(request: Request, wiring: Wiring) -> str:
    campaign = _campaign_named(request, wiring)
    if campaign.status is not CampaignStatus.RUNNING:
        raise Declined(f"campaign {campaign.id} is {campaign.status}")
    wiring.world.store.keep_campaign(replace(campaign, status=CampaignStatus.PAUSED))
    return f"campaign {campaign.id} asks for nothing new and revokes nothing; what was asked for goes on"


def _resume_campaign(request: Request, wiring: Wiring) -> str:
    campaign = _campaign_named(request, wiring)
    if campaign.status is not CampaignStatus.PAUSED:
        raise Declined(f"campaign {campaign.id} is {campaign.status}, not paused")
    wiring.world.store.keep_campaign(replace(campaign, status=CampaignStatus.RUNNING))
    return f"campaign {campaign.id} goes on"


def _cancel_campaign(request: Request, wiring: Wiring) -> str:
    campaign = _campaign_named(request, wiring)
    if campaign.status is CampaignStatus.CANCELLED or not (campaign.status.open or campaign.avoided):
        raise Declined(f"campaign {campaign.id} is {campaign.status} already")
    cancel(campaign, wiring.world.store, wiring.world.clock.now())
    again = f"; {campaign.issuer} may sign again" if campaign.avoided else ""
    return f"campaign {campaign.id} is cancelled ({told_in_short(campaign)}){again}"


_DEEDS: Mapping[str, Callable[[Request, Wiring], str]] = {
    "rotate": _rotate,
    "rollback": _roll_back,
    "approve": _approve,
    "pause": _pause,
    "resume": _resume,
    "revoke": _revoke,
    "account-update": lambda request, wiring: accounts.update(request.arguments, wiring.world),
    "account-roll-key": lambda request, wiring: accounts.roll_key(request.arguments, wiring.world),
    "account-deactivate": lambda request, wiring: accounts.deactivate(request.arguments, wiring.world),
    "campaign": _campaign,
    "campaign-pause": _pause_campaign,
    "campaign-resume": _resume_campaign,
    "campaign-cancel": _cancel_campaign,
}
