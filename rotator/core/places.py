"""What is worth telling beyond the certificates in our care: sources, unmanaged, adoption, the first look. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from rotator.core.cases import Case
from rotator.core.lead import DAY, lead
from rotator.core.model import Action, Decision, Inventory, Notice, NoticeKind, Observation, Plan, Severity
from rotator.core.noticetext import clause, counted, left, listed, moment, run
from rotator.core.reasons import Reason
from rotator.core.standing import NoticeSettings

SELF = "self"
"""The source of what rotator itself depends on: its name, and the label of its observations."""

NEEDED_BY = "needed_by"
"""The label that says what of rotator connects there, in words."""

_FORGOTTEN = 30 * DAY
"""What ended longer ago than this and is served nowhere is litter: reports list it, nobody is told."""


def of_sources(inventory: Inventory, previous: Mapping[str, Notice], settings: NoticeSettings) -> Iterator[Case]:
    """One case a source that could not be looked at: at first an info, then a warning, after a day an error."""
    messages: dict[str, list[str]] = {}
    for problem in inventory.problems:
        messages.setdefault(problem.source, []).append(clause(problem.message, 500))
    for source, texts in messages.items():
        before = previous.get(f"rotator/{NoticeKind.SOURCE_UNREADABLE}/{source}")
        since = before.since if before is not None and not before.resolved else inventory.at
        lasted = inventory.at - since
        severity = Severity.WARNING if lasted >= settings.unreadable_for else Severity.INFO
        yield Case(
            kind=NoticeKind.SOURCE_UNREADABLE,
            severity=Severity.ERROR if lasted >= DAY else severity,
            subject=source,
            owner="",
            since=since,
            headline=f"could not be looked at: {texts[0]}",
            detail=f"{listed(texts)}\nUntil it can be, nothing is concluded from what is missing there.\n"
            "To do: mend its access; the command says whether it is mended.",
            command=run("config", "check"),
            noun="source",
        )


def of_unmanaged(inventory: Inventory) -> Iterator[Case]:
    """Certificates that nobody has put in our care and that end soon.

    What rotator itself depends on pages when it is due: once that has stopped it, it cannot tell any more. A served one
    is told by itself, under its first place; what is only stored is told together, system by system.
    """
    copies: dict[str, list[Observation]] = {}
    for observation in inventory.unmanaged:
        if observation.chain is not None and not observation.ignored:
            copies.setdefault(observation.chain.fingerprint, []).append(observation)
    for same in copies.values():
        served = any(observation.endpoint is not None for observation in same)
        severity = _unmanaged_severity(same, inventory.at)
        if severity is not None:
            yield _unmanaged(
                sorted(same, key=lambda o: (o.endpoint is None, o.location)), served, severity, inventory.at
            )


def _unmanaged_severity(same: Sequence[Observation], now: datetime) -> Severity | None:
    """A warning at half of the lead it would have here, an error at a quarter; never a page: it is not in our care.

    What rotator needs itself is a page as soon as the lead begins.
    """
    chain = same[0].chain
    assert chain is not None
    served = any(observation.endpoint is not None for observation in same)
    remaining = chain.not_after - now
    own = lead(chain.lifetime)
    if needed_by(same):
        return Severity.CRITICAL if remaining <= own else None
    if remaining > own / 2 or (not served and remaining < -_FORGOTTEN):
        return None
    return Severity.ERROR if remaining <= own / 4 else Severity.WARNING


def needed_by(same: Iterable[Observation]) -> str:
    """What of rotator depends on these, in words; empty where nothing does."""
    said = (observation.labels.get(NEEDED_BY, "") for observation in same if observation.labels.get("source") == SELF)
    return ", ".join(dict.fromkeys(name for names in said for name in names.split(", ") if name))


def _unmanaged(same: Sequence[Observation], served: bool, severity: Severity, now: datetime) -> Case:
    first = same[0]
    assert first.chain is not None
    place = str(first.endpoint or first.location)
    names = ", ".join(first.chain.names[:5]) or first.chain.leaf.subject
    ends = left(first.chain.not_after, now)
    needed = needed_by(same)
    if needed:
        return _needed(same, needed, severity, now)
    owner = f"\nIts owner is {first.owner.name} ({first.owner.kind})." if first.owner else ""
    return Case(
        kind=NoticeKind.UNMANAGED_EXPIRING,
        severity=severity,
        subject=place,
        owner="",
        since=first.chain.not_after - lead(first.chain.lifetime) / 2,
        headline=f"is not in rotator's care and {ends} ({clause(names)})",
        detail=f"Found at:\n{listed(str(o.endpoint or o.location) for o in same)}\n"
        f"For: {clause(names)}\nIssued by: {clause(first.chain.leaf.issuer)}\n"
        f"It {ends}, on {moment(first.chain.not_after)}.{owner}\n"
        "To do: renew it by hand, adopt it, declare it, or mark it `rotator/ignore`.",
        command=first.owner.remedy if first.owner else "",
        cause="" if served else f"stored in {first.location.system}",
        shared="" if served else f"stored in {first.location.system} are not in rotator's care and end soon",
    )


def _needed(same: Sequence[Observation], needed: str, severity: Severity, now: datetime) -> Case:
    """One case for each certificate that rotator itself depends on."""
    chain = same[0].chain
    assert chain is not None
    ends = left(chain.not_after, now)
    return Case(
        kind=NoticeKind.UNMANAGED_EXPIRING,
        severity=severity,
        subject=str(same[0].endpoint or same[0].location),
        owner="",
        since=chain.not_after - lead(chain.lifetime),
        headline=f"{ends}, and rotator depends on it: it is needed by {clause(needed)}",
        detail=f"Found at:\n{listed(str(o.endpoint or o.location) for o in same)}\n"
        f"Needed by: {needed}\n"
        f"For: {clause(', '.join(chain.names[:5]) or chain.leaf.subject)}\nIssued by: {clause(chain.leaf.issuer)}\n"
        f"It {ends}, on {moment(chain.not_after)}. After that rotator cannot reach it, and what it does there stops.\n"
        "To do: have whoever runs it renew it; or put it in rotator's care.",
    )


def of_peers(inventory: Inventory, previous: Mapping[str, Notice]) -> Iterator[Case]:
    """What rotator depends on and could not be looked at: one info, which never becomes more.

    That a peer is down is told by whoever needs it; here it only says that its certificate is not watched meanwhile.
    Where the sources that need it could not be looked at either, that is one cause, and told of them.
    """
    told = {f"the source {problem.source}" for problem in inventory.problems}
    texts = [
        clause(observation.problem.message, 500)
        for observation in inventory.observations
        if observation.labels.get("source") == SELF
        and observation.problem is not None
        and not told.intersection(observation.labels.get(NEEDED_BY, "").split(", "))
    ]
    if not texts:
        return
    before = previous.get(f"rotator/{NoticeKind.SOURCE_UNREADABLE}/{SELF}")
    yield Case(
        kind=NoticeKind.SOURCE_UNREADABLE,
        severity=Severity.INFO,
        subject=SELF,
        owner="",
        since=before.since if before is not None and not before.resolved else inventory.at,
        headline=f"could not see the certificates of {counted(len(texts), 'place')} that rotator needs: {texts[0]}",
        detail=f"{listed(texts)}\nThe end of what cannot be seen is not told.\n"
        "To do: mend the way there, or watch its certificate from elsewhere.",
        command=run("scan"),
        noun="source",
    )


def of_adoption(inventory: Inventory) -> Iterator[Case]:
    """Places that matched a rule and were not adopted, together where the reason is the same."""
    for held in inventory.held:
        why = clause(held.message)
        yield Case(
            kind=NoticeKind.HELD,
            severity=Severity.INFO,
            subject=str(held.location),
            owner="",
            since=inventory.at,
            headline=f"was not adopted: {why}",
            detail=f"It matched an adoption rule and was not adopted: {why}\nTo do: declare it, or narrow the rule.",
            command=run("config", "check"),
            cause=f"not adopted {held.message.replace(held.location.address, '…')}",
            shared=f"were not adopted: {why}",
            noun="place",
        )


def of_retired(inventory: Inventory) -> Iterator[Case]:
    """Adopted certificates whose place has disappeared; told once."""
    for name in inventory.retired:
        yield Case(
            kind=NoticeKind.RETIRED,
            severity=Severity.INFO,
            subject=name,
            owner="",
            since=inventory.at,
            headline="has disappeared and is no longer looked after",
            detail="The place that it was adopted from is gone in a complete look.\nTo do: nothing, if this was meant.",
            cause="retired",
            shared="have disappeared and are no longer looked after",
        )


def digest(inventory: Inventory, plan: Plan) -> Notice:
    """The one message of a first look: counts, and what is most urgent."""
    waiting = [decision for decision in plan.decisions if decision.action is not Action.KEEP]
    soon = [o for o in inventory.unmanaged if o.chain and _unmanaged_severity([o], inventory.at)]
    lines = [
        f"{counted(len(plan.decisions), 'certificate')} in rotator's care, {len(waiting)} of them not in order or due.",
        f"{counted(len(inventory.unmanaged), 'other')} found, {len(soon)} of them ending soon.",
        f"{counted(len(inventory.problems), 'source')} could not be looked at.",
        *_most_urgent(_urgent(decision, inventory.at) for decision in waiting),
        _what_is_done(plan),
    ]
    grave = inventory.problems or soon or any(decision.emergency for decision in waiting)
    return Notice(
        key=f"rotator/{NoticeKind.DIGEST}/first-look",
        kind=NoticeKind.DIGEST,
        severity=Severity.WARNING if grave else Severity.INFO,
        title=f"first look: {counted(len(plan.decisions), 'certificate')} in care, {len(waiting)} not in order or due",
        detail="\n".join(lines),
        since=inventory.at,
        subjects=tuple(decision.spec.name for decision in waiting),
        command=run("plan"),
        runbook=f"docs/runbooks/{NoticeKind.DIGEST}.md",
    )


def _urgent(decision: Decision, now: datetime) -> str:
    what = clause(decision.message)
    return f"{decision.spec.name}: {f'{left(decision.ends, now)}; {what}' if decision.ends else what}"


def _what_is_done(plan: Plan) -> str:
    """A first look does what a person has asked for by name, or all that is due where the config says so."""
    rest = "Where the mode says rotate, what is due is done from the next look on."
    if not plan.due:
        return f"Nothing is begun now. {rest}"
    begun = f"Begun at once: {counted(len(plan.due), 'certificate')}."
    return f"{begun} {rest}" if any(one.reason is Reason.FIRST_LOOK for one in plan.decisions) else begun


def _most_urgent(lines: Iterable[str]) -> list[str]:
    text = listed(lines)
    return [f"Most urgent first:\n{text}"] if text else []
