"""Which solver proves which name: by the settings, by what each can do, and by what the CA offers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rotator.core.model import Check
from rotator.issuers.acme.dns01 import Dns01Solver
from rotator.issuers.acme.http01 import Http01Solver
from rotator.issuers.acme.proving import SolverSettings
from rotator.issuers.acme.settings import AcmeSettings
from rotator.issuers.acme.solver import Desk, Solver
from rotator.issuers.acme.tls_alpn01 import TlsAlpn01Solver

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Way:
    """A solver and what it is configured for."""

    settings: SolverSettings
    solver: Solver

    def fits(self, name: str) -> bool:
        return self.settings.is_for(name) and not self.settings.objection(name)


class Solvers:
    """The solvers of one issuer, the first that fits first."""

    def __init__(self, settings: AcmeSettings, desk: Desk) -> None:
        self._settings = settings
        self._ways = tuple(_Way(each, _solver(each, desk)) for each in settings.solver_settings)

    def objection(self, names: Iterable[str]) -> str:
        """Why some names can never be proved, all at once; empty when each has a solver."""
        causes: dict[str, list[str]] = {}
        for name in dict.fromkeys(names):
            if why := self._settings.refuses_name(name):
                causes.setdefault(why, []).append(name)
        return "; ".join(f"{', '.join(its)} {why}" for why, its in causes.items())

    def of(self, name: str, offered: Collection[str] | None = None) -> Solver | None:
        """The solver for a name, of a kind that the CA offers for it; None where there is none."""
        return next((each for each in self._fitting(name) if offered is None or each.kind in offered), None)

    def kinds(self, name: str) -> tuple[str, ...]:
        """The kinds of challenge that are configured for a name."""
        return tuple(dict.fromkeys(each.kind for each in self._fitting(name)))

    def preflight(self, names: Sequence[str]) -> tuple[Check, ...]:
        """Each solver tried with its names, as far as that goes without an order."""
        grouped = by_solver(dict.fromkeys(names), self.of)
        return tuple(check for solver, its in grouped for check in solver.preflight(its))

    def _fitting(self, name: str) -> list[Solver]:
        return [way.solver for way in self._ways if way.fits(name)]


def by_solver(things: Iterable[T], of: Callable[[T], Solver | None]) -> list[tuple[Solver, list[T]]]:
    """Things grouped by their solver, so that each shows all of its own at once; those without one are left out."""
    found: dict[int, tuple[Solver, list[T]]] = {}
    for thing in things:
        solver = of(thing)
        if solver is not None:
            found.setdefault(id(solver), (solver, []))[1].append(thing)
    return list(found.values())


def _solver(settings: SolverSettings, desk: Desk) -> Solver:
    if settings.dns01 is not None:
        return Dns01Solver(settings.dns01, desk)
    if settings.http01 is not None:
        return Http01Solver(settings.http01, desk)
    assert settings.tls_alpn01 is not None  # exactly one is
    return TlsAlpn01Solver(settings.tls_alpn01, desk)
