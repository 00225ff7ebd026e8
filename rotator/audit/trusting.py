"""What clients are taken to trust in an audit: this machine's store, and the roots that a config adds to it."""

from __future__ import annotations

from collections.abc import Iterable

from rotator.audit.auditor import Trusted, trusted_by
from rotator.core.model import Certificate
from rotator.errors import IssueError, RotatorError
from rotator.lib.trust import own_roots
from rotator.log import logger
from rotator.ports import Anchors
from rotator.world import World

log = logger(__name__)


def trusted_in(world: World, files: Iterable[str]) -> Trusted:
    """The system's store, the roots of the config's own issuers, and those in files.

    What cannot be read is logged and vouches for nothing.
    """
    own = [root for issuer in world.issuers.values() if isinstance(issuer, Anchors) for root in _roots_of(issuer)]
    for path in files:
        own += _read(path, world)
    try:
        system = world.system_roots()
    except RotatorError as error:
        log.warning("the system's roots cannot be read", error=str(error))
        system = ()
    return trusted_by(system, own_roots(), own)


def _roots_of(issuer: Anchors) -> tuple[Certificate, ...]:
    """Only of what is on this machine: an audit calls no issuer."""
    if getattr(issuer, "roots_are_remote", False):
        return ()
    try:
        return issuer.roots()
    except IssueError:
        return ()  # a CA that is still to be made has signed nothing that could be found


def _read(path: str, world: World) -> tuple[Certificate, ...]:
    try:
        return world.file_roots(path)
    except RotatorError as error:
        log.warning("roots of the audit cannot be read", path=path, error=str(error))
        return ()
