"""What can be done, where it can end, and how."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rotator.core.reasons import Reason


class Stage(StrEnum):
    ISSUE = "issue"
    VALIDATE = "validate"
    DEPLOY = "deploy"
    VERIFY = "verify"
    ROLL_BACK = "roll-back"


class Result(StrEnum):
    DONE = "done"  # proved at every counted endpoint
    UNPROVED = "unproved"  # deployed; no endpoint known, or the old one still served and valid
    PENDING = "pending"  # the issuer has not finished
    FAILED = "failed"  # not done, and nothing is worse than before
    ROLLED_BACK = "rolled-back"  # harm, undone, proved
    STRANDED = "stranded"  # harm that could not be undone


class Action(StrEnum):
    KEEP = "keep"
    RENEW = "renew"
    REDEPLOY = "redeploy"
    DELEGATE = "delegate"  # its owner renews it
    WAIT = "wait"  # it will be done by itself, later
    HOLD = "hold"  # a person decides
    REFUSE = "refuse"  # it will never be done as configured


@dataclass(frozen=True, slots=True)
class Violation:
    """What a check found: one word, and a sentence for people."""

    reason: Reason
    message: str
