"""Which certificates of one file belong together: a chain, what is trusted, or several leaves in one bag."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rotator.core.model import Certificate, Use
from rotator.core.usages import use_of

_LONGEST_PATH = 20


@dataclass(frozen=True, slots=True)
class Group:
    """Certificates that belong together; `position` is the place of the first in the file, from 0."""

    position: int
    certificates: tuple[Certificate, ...]
    use: Use


def groups(found: Sequence[Certificate], keys: Collection[str] = ()) -> tuple[Group, ...]:
    """Sort the certificates of one file.

    CA certificates without a key of their own are what somebody trusts. One leaf makes one chain, in the order found:
    a wrong order is the file's. Several leaves are a bag, each with the issuers that are there too; but where the only
    key belongs to the first, the file is that leaf's, and the others are superfluous in its chain.

    Args:
        keys: digests of the public parts of the private keys that came with them.
    """
    if not found:
        return ()
    leaves = _leaves(found)
    if not leaves:
        kept = any(one.spki and one.spki in keys for one in found)
        return (Group(0, tuple(found), Use.SERVE if kept else Use.TRUST),)
    if len(leaves) == 1:
        return (Group(0, tuple(found), use_of(*leaves.values())),)
    if len(keys) == 1 and found[0].spki in keys:
        return (Group(0, tuple(found), use_of(found[0])),)
    return tuple(bag(found))


def bag(found: Sequence[Certificate], *, old_roots: bool = True) -> Iterator[Group]:
    """Each leaf with its issuers, and then, as what is trusted, what no leaf needs; for `old_roots` see `_leaves`."""
    leaves, issuers = _leaves(found, old_roots=old_roots), _by_subject(found)
    used: set[str] = set()
    for position, leaf in leaves.items():
        path = _path(leaf, issuers)
        used.update(one.fingerprint for one in path)
        yield Group(position, path, use_of(leaf))
    rest = {position: one for position, one in enumerate(found) if one.fingerprint not in used}
    if rest:
        yield Group(min(rest), tuple(rest.values()), Use.TRUST)


def _leaves(found: Sequence[Certificate], *, old_roots: bool = True) -> Mapping[int, Certificate]:
    """What is no CA, each once, by position.

    Args:
        old_roots: one that names itself as its issuer, beside CA certificates, is an old root: version 1 cannot say
            that it is a CA, and its signature may be too weak to be verified.
    """
    trusted = old_roots and any(one.is_ca for one in found)
    issuers = {one.issuer for one in found if one.issuer != one.subject}
    leaves: dict[str, tuple[int, Certificate]] = {}
    for position, one in enumerate(found):
        is_issuer = one.subject in issuers or (trusted and one.subject == one.issuer)
        if not (one.is_ca or is_issuer):
            leaves.setdefault(one.fingerprint, (position, one))
    return dict(leaves.values())


def path_from(leaf: Certificate, found: Sequence[Certificate]) -> tuple[Certificate, ...]:
    """The leaf and, as far as they are there, its issuers up to the root; told by name and key id, not verified."""
    return _path(leaf, _by_subject(found))


def _path(leaf: Certificate, issuers: Mapping[str, Sequence[Certificate]]) -> tuple[Certificate, ...]:
    path = {leaf.fingerprint: leaf}
    last = leaf
    while len(path) < _LONGEST_PATH and not last.self_signed:
        above = next((one for one in issuers.get(last.issuer, ()) if _may_issue(one, last)), None)
        if above is None or above.fingerprint in path:
            break
        path[above.fingerprint] = last = above
    return tuple(path.values())


def _by_subject(found: Sequence[Certificate]) -> Mapping[str, Sequence[Certificate]]:
    by_subject: dict[str, list[Certificate]] = {}
    for one in found:
        by_subject.setdefault(one.subject, []).append(one)
    return by_subject


def _may_issue(issuer: Certificate, certificate: Certificate) -> bool:
    ids = (issuer.subject_key_id, certificate.authority_key_id)
    return not all(ids) or ids[0] == ids[1]
