"""Whether a chain leads to a trusted root, which one, and a chain put in order. Pure: time and roots are arguments.

Two verifiers: the strict web PKI one of `cryptography` first; where it refuses, OpenSSL's, because private PKIs are
looser than the web's (no AKI, Ed25519 CAs, directory name constraints). OpenSSL asks for less than clients do, so
names, key sizes, signature hashes, usages and CA flags are checked here beside it. Nothing is ever fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.verification import PolicyBuilder, VerificationError
from cryptography.x509.verification import Store as Roots
from OpenSSL import crypto

from rotator.core.csr import is_address
from rotator.core.model import Certificate, Chain
from rotator.core.pem import load, moment
from rotator.core.usages import ANY_USAGE, SERVER_AUTH

MAX_CHAIN = 20
"""Real chains have up to five certificates; more would only be there to make path building slow."""

WEAK_HASHES = frozenset({"md2", "md4", "md5", "sha1"})

Path: TypeAlias = tuple[Certificate, ...]
Subject: TypeAlias = x509.DNSName | x509.IPAddress

# Codes of X509_verify_cert (openssl-verification-options(1)) that deserve better words than OpenSSL's.
_NO_ISSUER = {2, 20, 21, 27}
_OWN_SIGNATURE, _UNKNOWN_ROOT, _BAD_SIGNATURE, _NOT_YET, _ENDED = 18, 19, 7, 9, 10


def verify_path(chain: Chain, roots: Sequence[Certificate], at: datetime, names: Sequence[str]) -> str | None:
    """Hold a chain against trusted roots at a moment and for every one of the names.

    Intermediates may stand in any order; a trusted intermediate ends a path as a root does.

    Args:
        names: DNS names, wildcards (which the leaf must have as such), addresses, URIs; empty asks for a path only.

    Returns:
        None when it verifies for all of them, else what is wrong, in a clause ("its root is not trusted").
    """
    leaf = chain.leaf
    if leaf.not_after < at:
        return f"it ended {moment(leaf.not_after)}"
    if leaf.not_before > at:
        return f"it is not valid before {moment(leaf.not_before)}"
    uncovered = [name for name in names if not covers(leaf.names, name)]
    if uncovered:
        return f"it does not cover {', '.join(uncovered)}"
    found = _path(chain, roots, at, names)
    return found if isinstance(found, str) else None


def are_roots(trusted: Iterable[Certificate]) -> bool:
    """Whether what is above each of them is among them, so that a CA whose root is not lies outside.

    An intermediate that is trusted alone ends a path as a root does, and whose it is no root says.
    """
    known = list(trusted)
    return {certificate.issuer for certificate in known} <= {certificate.subject for certificate in known}


def path_root(chain: Chain, roots: Sequence[Certificate], at: datetime) -> Certificate | None:
    """The trusted root that the chain ends in at that moment, whatever its names; None where no path leads to one."""
    found = _path(chain, roots, at, ())
    return None if isinstance(found, str) else found[-1]


def path_of(chain: Chain, roots: Sequence[Certificate], at: datetime, *, servers: bool = True) -> Path | str:
    """From the leaf to a trusted root at that moment, whatever its names; or why there is no path, in a clause.

    Args:
        servers: ask for a path that servers may use; without it any use will do (clients, code, mail).
    """
    return _path(chain, roots, at, (), servers=servers)


def covers(presented: Iterable[str], name: str) -> bool:
    """Whether a client that asks for `name` takes a certificate with these names (RFC 9525, 6.3).

    A wildcard stands for exactly one whole left-most label; a wildcard that is asked for must be there as such.
    """
    wanted = plain_name(name)
    have = {plain_name(entry) for entry in presented}
    if wanted in have:
        return True
    _, dot, parent = wanted.partition(".")
    is_host = bool(dot) and ":" not in wanted and not is_address(wanted)  # no URI, no mail address
    return is_host and not wanted.startswith("*.") and f"*.{parent}" in have


@lru_cache(maxsize=16_384)
def plain_name(name: str) -> str:
    """A name as it is compared: lower case without a trailing dot, an address in its shortest form."""
    try:
        return str(ip_address(name))
    except ValueError:
        return name if "://" in name else name.lower().rstrip(".")


# ---------------------------------------------------------------- a path


def _path(
    chain: Chain, roots: Sequence[Certificate], at: datetime, names: Sequence[str], *, servers: bool = True
) -> Path | str:
    """From the leaf to a trusted root, or why there is none."""
    if not roots:
        return "there is no root to trust"
    if len(chain.certificates) > MAX_CHAIN:
        return f"{len(chain.certificates)} certificates are more than the {MAX_CHAIN} that a chain may have"
    known = {c.fingerprint: c for c in (*roots, *chain.certificates)}
    subjects = _subjects(names) or _subjects(chain.names)[:1]
    strict = _strict_path(chain, tuple(roots), at, subjects)
    if strict:
        return tuple(known[fingerprint] for fingerprint in strict)
    loose = _openssl_path(chain, tuple(roots), at, known)
    return loose if isinstance(loose, str) else _objection(loose, servers=servers) or loose


def _subjects(names: Sequence[str]) -> list[Subject]:
    """What the strict verifier can be asked for; a wildcard becomes a name below it, since its entry was checked."""
    found: list[Subject] = []
    for name in names:
        if is_address(name):
            found.append(x509.IPAddress(ip_address(name)))
        elif "://" not in name and ":" not in name:
            found.append(x509.DNSName(name.lower().rstrip(".").replace("*", "any", 1)))
    return found


def _strict_path(
    chain: Chain, roots: tuple[Certificate, ...], at: datetime, subjects: Sequence[Subject]
) -> list[str] | None:
    """Fingerprints from the leaf to the root when the web PKI verifier takes the chain for every subject."""
    path: list[str] | None = None
    try:
        leaf, *others = (load(certificate) for certificate in chain.certificates)
        policy = PolicyBuilder().store(_strict_roots(roots)).time(at)
        for subject in subjects:
            verified = policy.build_server_verifier(subject).verify(leaf, others)
            path = [certificate.fingerprint(SHA256()).hex() for certificate in verified]
    except (VerificationError, ValueError, TypeError, UnsupportedAlgorithm):
        # A certificate or name that it cannot even read is one that it refuses; OpenSSL is asked next, and explains.
        return None
    return path


@lru_cache(maxsize=8)
def _strict_roots(roots: tuple[Certificate, ...]) -> Roots:
    return Roots([load(root) for root in roots])


def _openssl_path(
    chain: Chain, roots: tuple[Certificate, ...], at: datetime, known: Mapping[str, Certificate]
) -> Path | str:
    """From the leaf to the root as OpenSSL builds it, or why it cannot.

    A path to a self-signed root is preferred; failing that any certificate among the roots ends one, as it does for
    the strict verifier.
    """
    why = ""
    for flags in (0, crypto.X509StoreFlags.PARTIAL_CHAIN):
        try:
            leaf, *others = (_openssl(certificate) for certificate in chain.certificates)
            context = crypto.X509StoreContext(_openssl_store(roots, at, flags), leaf, others)
            return tuple(known[_digest(certificate)] for certificate in context.get_verified_chain())
        except crypto.X509StoreContextError as error:
            why = why or _explained(error, known)
        except (crypto.Error, ValueError, KeyError):
            return "OpenSSL reads one of its certificates differently, or not at all"
    return why


def _openssl_store(roots: tuple[Certificate, ...], at: datetime, flags: int) -> crypto.X509Store:
    store = crypto.X509Store()
    for root in _openssl_roots(roots):
        store.add_cert(root)
    store.set_flags(flags)
    store.set_time(at.astimezone(UTC))
    return store


def _digest(certificate: crypto.X509) -> str:
    return certificate.digest("sha256").decode().replace(":", "").lower()


def _openssl(certificate: Certificate) -> crypto.X509:
    return crypto.X509.from_cryptography(load(certificate))


@lru_cache(maxsize=8)
def _openssl_roots(roots: tuple[Certificate, ...]) -> tuple[crypto.X509, ...]:
    readable = []
    for root in roots:
        try:
            readable.append(_openssl(root))
        except (crypto.Error, ValueError):  # a root that OpenSSL cannot read vouches for nothing
            continue
    return tuple(readable)


def _explained(error: crypto.X509StoreContextError, known: Mapping[str, Certificate]) -> str:
    """OpenSSL's refusal in a clause that says which certificate it is about."""
    code, depth, message = error.errors
    certificate = known.get(_digest(error.certificate))
    if certificate is None:
        return str(message)
    who = "it" if depth == 0 else f"{certificate.subject} above it"
    if code in _NO_ISSUER:
        return f"no path to a trusted root: {certificate.issuer} is neither sent along nor trusted"
    if code == _OWN_SIGNATURE:
        return "it signed itself and is not trusted"
    if code == _UNKNOWN_ROOT:
        return f"its root, {certificate.subject}, is not trusted"
    if code == _BAD_SIGNATURE:
        return f"the signature of {who} does not verify"
    if code == _ENDED:
        return f"{who} ended {moment(certificate.not_after)}"
    if code == _NOT_YET:
        return f"{who} is not valid before {moment(certificate.not_before)}"
    return f"{who} was refused: {message}"


def _objection(path: Path, *, servers: bool) -> str | None:
    """What clients ask for beyond what OpenSSL checks; the size of the leaf's key is the validator's matter."""
    for depth, certificate in enumerate(path):
        who = "it" if depth == 0 else f"{certificate.subject} above it"
        is_anchor = depth == len(path) - 1
        usages = certificate.extended_key_usages
        if not is_anchor and certificate.signature_hash in WEAK_HASHES:
            return f"{who} is signed with {certificate.signature_hash.upper()}"
        if servers and usages and not {SERVER_AUTH, ANY_USAGE} & set(usages) and not (is_anchor and depth):
            return f"{who} may not be used for servers (extended key usage)"
        if depth and not is_anchor and not certificate.is_ca:
            return f"{who} is no CA"
        if depth and (why := weak_key(certificate)):
            return f"{who} has {why}"
    return None


def weak_key(certificate: Certificate) -> str:
    """Why its key is too weak for servers ("a 1024-bit RSA key"); empty when it is not."""
    algorithm, size = certificate.key_algorithm, certificate.key_size
    if algorithm == "dsa":
        return f"a {size}-bit DSA key"
    if (algorithm == "rsa" and size < 2048) or (algorithm == "ecdsa" and size < 256):
        return f"a {size}-bit {algorithm.upper()} key"
    return "" if algorithm else "a key of an unknown kind"


# ---------------------------------------------------------------- order


def mended(chain: Chain, roots: Sequence[Certificate]) -> Chain:
    """The same chain as servers should send it (RFC 8446, 4.4.2): leaf first, each followed by who signed it.

    Duplicates, certificates that sign nothing in it, and roots that clients have themselves are dropped. Cross-signed
    twins are all kept: which one a client needs is not known here.
    """
    pool = list({c.fingerprint: c for c in chain.certificates}.values())
    if len(pool) > MAX_CHAIN:
        return chain
    leaf = _leaf(pool)
    known = {root.fingerprint for root in roots}
    ordered = [leaf]
    rest = [c for c in pool if c is not leaf and not (c.self_signed and c.fingerprint in known)]
    for child in ordered:  # grows while it is walked: breadth first from the leaf upwards
        above = [c for c in rest if c not in ordered and signed_by(child, c)]
        ordered += sorted(above, key=lambda c: c.self_signed)
    return Chain(tuple(ordered))


def _leaf(pool: Sequence[Certificate]) -> Certificate:
    """The first that is no CA; where all claim to be one, the first that signed none of the others."""
    for certificate in pool:
        if not certificate.is_ca:
            return certificate
    return next((c for c in pool if not any(signed_by(other, c) for other in pool if other is not c)), pool[0])


@lru_cache(maxsize=4096)
def signed_by(child: Certificate, parent: Certificate) -> bool:
    """Whether `parent` issued `child`: by name, key identifiers and signature.

    A signature of a kind that the library does not know (MD5, for one) is taken for good: this only orders chains.
    """
    if child.issuer != parent.subject:
        return False
    if child.authority_key_id and parent.subject_key_id and child.authority_key_id != parent.subject_key_id:
        return False
    try:
        load(child).verify_directly_issued_by(load(parent))
    except InvalidSignature:
        return False
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return True
    return True
