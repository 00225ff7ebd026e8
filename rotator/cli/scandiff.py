"""`rotator scan diff`: what has changed between two scans."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.cli.ending import Ending, Mistake
from rotator.cli.options import Output
from rotator.cli.screen import show

if TYPE_CHECKING:
    from rotator.cli.scan import FailOn, ScanOutput


def diff(words: list[str], output: ScanOutput, fail_on: FailOn) -> Ending:
    """Compare two scans that were kept with `--output json`; the newer one may come on standard input.

    Raises:
        Mistake: a file is missing, or holds no scan.
    """
    from rotator.core.model import Severity
    from rotator.report import diff_report
    from rotator.report.diff import changes

    if not 1 <= len(words) <= 2:
        raise Mistake("two scans are compared: `rotator scan diff OLD.json NEW.json`, or the new one on standard input")
    if output.value not in {one.value for one in Output}:
        raise Mistake("a comparison is told as table or json")
    before, after = _read(words[0]), _read(words[1] if len(words) == 2 else "-")
    try:
        found = changes(before, after)
    except ValueError as error:
        raise Mistake(str(error)) from error
    show(Output(output.value), table=lambda: diff_report.table(found), json=lambda: diff_report.json(found))
    if fail_on.value != "none" and found.worst and found.worst.rank >= Severity(fail_on.value).rank:
        return Ending.NOT_DONE
    return Ending.UNSEEN if found.lost else Ending.CLEAN


def _read(word: str) -> object:
    import json

    try:
        text = sys.stdin.read() if word == "-" else Path(word).read_text(encoding="utf-8")
        document: object = json.loads(text)
    except OSError as error:
        raise Mistake(f"the scan {word} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise Mistake(f"the scan {word} is no JSON; keep one with `rotator scan … --output json > FILE`") from error
    return document
