"""What a scan found, told: line by line where the form allows it, else as a whole; and how the verb ends by it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.cli.ending import Ending, Mistake
from rotator.cli.screen import Lines, flush, plain_stdout, remark, show_table, write

if TYPE_CHECKING:
    from rotator.audit.auditor import Auditor
    from rotator.cli.scan import FailOn, ScanOutput
    from rotator.core.audit import Audit, Line, Summary, Unseen
    from rotator.core.rules.judgement import Judgement
    from rotator.report.grouping import GroupBy

_ACCEPTED_FOR = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Telling:
    """In which form the result is told, and what it does to the exit code; see the options of the same names."""

    output: ScanOutput
    group_by: GroupBy | None
    fail_on: FailOn
    write_baseline: Path | None
    until: date | None


def tell(seen: Iterable[Line | Unseen], auditor: Auditor, telling: Telling) -> Ending:
    """Tell what an auditor says of what is seen.

    Raises:
        Mistake: the baseline cannot be written.
        Unwritable, BrokenPipeError: nobody takes what is told.
    """
    from rotator.cli.scan import ScanOutput

    if telling.output is ScanOutput.JSONL and telling.write_baseline is None:
        return _ending(_told_as_it_goes(seen, auditor), telling.fail_on)
    from rotator.audit.whole import gathered

    return tell_whole(gathered(seen, auditor), auditor.judgement, telling)


def tell_whole(audit: Audit, judgement: Judgement, telling: Telling) -> Ending:
    """Tell an audit; raises as `tell`."""
    _something(audit.summary)
    if telling.write_baseline is not None:
        return _accepted(audit, judgement, telling.write_baseline, telling.until)
    render(audit, telling)
    flush()
    return _ending(audit.summary, telling.fail_on)


def render(audit: Audit, telling: Telling) -> None:
    """Print an audit in one of its forms."""
    from rotator.cli.scan import ScanOutput

    if telling.output is ScanOutput.TABLE:
        from rotator.report import audit_table

        show_table(audit_table.audit(audit, telling.group_by.value if telling.group_by else None))
        return
    write(_TEXTS[telling.output.value](audit, telling))


def _json(audit: Audit, telling: Telling) -> str:
    from rotator.core.rules.catalogue import RULES
    from rotator.report import audit_json
    from rotator.report.json import text

    return text(audit_json.audit(audit, RULES), plain=plain_stdout())


def _jsonl(audit: Audit, telling: Telling) -> str:
    from rotator.core.rules.catalogue import RULES
    from rotator.report import jsonl

    return "".join(jsonl.audit(audit, RULES))


def _csv(audit: Audit, telling: Telling) -> str:
    from rotator.report import csv

    return csv.audit(audit)


def _sarif(audit: Audit, telling: Telling) -> str:
    from rotator import __version__
    from rotator.core.rules.catalogue import RULES
    from rotator.report import sarif
    from rotator.report.json import text

    return text(sarif.audit(audit, RULES, __version__, root=str(Path.cwd())), plain=plain_stdout())


def _junit(audit: Audit, telling: Telling) -> str:
    from rotator.core.model import Severity
    from rotator.core.rules.catalogue import RULES
    from rotator.report import junit

    fail_on = None if telling.fail_on.value == "none" else Severity(telling.fail_on.value)
    return junit.audit(audit, RULES, fail_on)


def _prometheus(audit: Audit, telling: Telling) -> str:
    from rotator.report import prometheus

    return prometheus.audit(audit)


def _html(audit: Audit, telling: Telling) -> str:
    from rotator.core.rules.catalogue import RULES
    from rotator.report import html

    return html.audit(audit, RULES)


_TEXTS: Mapping[str, Callable[[Audit, Telling], str]] = {
    "json": _json,
    "jsonl": _jsonl,
    "csv": _csv,
    "sarif": _sarif,
    "junit": _junit,
    "prometheus": _prometheus,
    "html": _html,
}


def _told_as_it_goes(seen: Iterable[Line | Unseen], auditor: Auditor) -> Summary:
    """One JSON object a line, each when it is known; nothing is held."""
    from rotator.audit.stream import Tally
    from rotator.clock import system_clock
    from rotator.core.audit import Unseen
    from rotator.core.rules.catalogue import RULES
    from rotator.report import jsonl

    tally, lines = Tally(), Lines(system_clock().monotonic)
    for one in seen:
        tally.count(one)
        lines.write(jsonl.unseen(one) if isinstance(one, Unseen) else jsonl.told(one, RULES))
    lines.flush()
    _something(tally.summary(auditor))
    for finding, excused in auditor.compared():
        tally.compared(finding.severity, excused=excused is not None)
        if excused is None:
            lines.write(jsonl.finding(finding, RULES))
    summary = tally.summary(auditor)
    lines.write(jsonl.summary(summary))
    lines.flush()
    return summary


def _something(summary: Summary) -> None:
    """An empty folder is no mistake, and no clean bill either."""
    if not (summary.places or summary.unseen):
        remark("rotator: no certificate was found in what was named; nothing was judged")


def _accepted(audit: Audit, judgement: Judgement, path: Path, until: date | None) -> Ending:
    """Write what is found as a baseline, in place of telling it; lines that were accepted and still are needed stay."""
    from rotator.config.baseline import accepting, baseline_text

    today = audit.at.date()
    excused = [judgement.accepting(one.finding, today) for line in audit.lines for one in line.excused]
    kept = tuple(dict.fromkeys(line for line in excused if line is not None))
    last = until or (today + _ACCEPTED_FOR)
    new = accepting(audit.findings, last, f"accepted by --write-baseline on {today}")
    try:
        path.write_text(baseline_text((*kept, *new)), encoding="utf-8")
    except OSError as error:
        raise Mistake(f"the baseline {path} cannot be written: {error.strerror}") from error
    remark(f"rotator: {path} accepts {len(new)} more findings until {last}; give each its reason")
    return Ending.UNSEEN if audit.unseen else Ending.CLEAN


def _ending(summary: Summary, fail_on: FailOn) -> Ending:
    from rotator.core.model import Severity

    if fail_on.value != "none" and summary.worst and summary.worst.rank >= Severity(fail_on.value).rank:
        return Ending.NOT_DONE
    return Ending.UNSEEN if summary.unseen or not summary.places else Ending.CLEAN
