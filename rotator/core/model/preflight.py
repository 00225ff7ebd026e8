"""What the next renewal needs, checked before it is due."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from rotator.core.model.certificates import Certificate
from rotator.core.model.specs import KeySpec


@dataclass(frozen=True, slots=True)
class PreflightRequest:
    """What the next order would ask for.

    Attributes:
        current: the certificate that it would replace; None where there is none yet.
    """

    names: tuple[str, ...]
    lifetime: timedelta | None = None
    profile: str = ""
    key: KeySpec = field(default_factory=KeySpec)
    current: Certificate | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the next renewal needs, and whether it is so.

    Attributes:
        name: a word or two, the same in output, notices and docs (`directory`, `account`, `dns-01`, `caa`).
        problem: why the renewal would fail, in one sentence; empty when it would not.
        remedy: what a person does about the problem.
        detail: what was seen where it is well (`account valid since …`); empty where there is nothing to say.
        told: False where nobody can tell beforehand whether it is so; `detail` says why. Nothing is wrong with that.
    """

    name: str
    problem: str = ""
    remedy: str = ""
    detail: str = ""
    told: bool = True
