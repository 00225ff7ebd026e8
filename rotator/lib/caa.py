"""The CAA records that count for a name: which CAs its owner lets issue (RFC 8659).

The search climbs from the name to its top level domain and takes the first set that is there (section 3); aliases are
the resolver's business, and the climb goes on above the name, not above what it is an alias of.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from rotator.core.csr import is_address
from rotator.core.model import Caa
from rotator.lib.dns.lookups import refusal_of
from rotator.lib.dns.resolving import resolver_of, upwards
from rotator.lib.memory import Kept, Memory
from rotator.lib.patience import Patience

if TYPE_CHECKING:
    from dns.name import Name
    from dns.resolver import Resolver

_CRITICAL = 128  # RFC 8659, 4.1
# IANA's “Certification Authority Restriction Properties”: what a CA may be taken to know.
_KNOWN_TAGS = frozenset({"issue", "issuewild", "iodef", "contactemail", "contactphone", "issuevmc", "issuemail"})
# RFC 8659, 4.2: issue-value. Blanks are SP and HTAB.
_LABEL = rb"[A-Za-z0-9](?:-*[A-Za-z0-9])*"
_PARAMETER = _LABEL + rb"[ \t]*=[ \t]*[\x21-\x3a\x3c-\x7e]*"
_ISSUE = re.compile(
    rb"[ \t]*(?P<domain>" + _LABEL + rb"(?:\." + _LABEL + rb")*)?[ \t]*"
    rb"(?:;[ \t]*(?:" + _PARAMETER + rb"(?:[ \t]*;[ \t]*" + _PARAMETER + rb")*[ \t]*)?)?"
)
_NOW = datetime(2000, 1, 1, tzinfo=UTC)  # nothing grows old within one run
_LATER = datetime(2001, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Resolving:
    """Whom to ask, and how long.

    Attributes:
        servers: addresses of resolvers; empty takes those of this machine.
        seconds: for one name, its whole climb; less after much waiting for nothing (`Patience`).
        at_once: how many names are looked up at the same time.
        kept: of how many domains the answer is remembered.
    """

    servers: tuple[str, ...] = ()
    port: int = 53
    seconds: float = 10.0
    at_once: int = 8
    kept: int = 100_000


def caa_of(
    names: Iterable[str],
    resolving: Resolving = Resolving(),
    clock_monotonic: Callable[[], float] = time.monotonic,
) -> Mapping[str, Caa]:
    """The set that counts for each DNS name, looked up side by side; see `CaaRecords.of`."""
    wanted = [name for name in dict.fromkeys(names) if is_domain(name)]
    if not wanted:
        return {}
    records = CaaRecords(resolving, clock_monotonic)
    with ThreadPoolExecutor(min(resolving.at_once, len(wanted)), thread_name_prefix="caa") as pool:
        return dict(zip(wanted, pool.map(records.of_name, wanted), strict=True))


def is_domain(name: str) -> bool:
    """Whether a name of a certificate may have CAA records: no address, URI or e-mail address."""
    return bool(name) and not any(sign in name for sign in ":@/ ") and not is_address(name)


class CaaRecords:
    """Looks up CAA sets, from any number of threads; each domain on the way up is asked for once in its life.

    A lookup that fails is no empty set (RFC 8659, 3): `detail` says so. A critical property that is not known forbids
    every CA to issue that does not know it (4.1); `detail` names it, and the rest of the set is there beside it.
    """

    def __init__(
        self, resolving: Resolving = Resolving(), clock_monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._resolver = resolver_of(resolving.servers, resolving.port)
        self._patience, self._clock = Patience(resolving.seconds), clock_monotonic
        self._sets: Memory[str, Caa] = Memory(lambda: _NOW, entries=resolving.kept)

    def of(self, names: Iterable[str]) -> Mapping[str, Caa]:
        """The set that counts for each name of a certificate, those left out that can have none. Nothing is raised."""
        return {name: self.of_name(name) for name in dict.fromkeys(names) if is_domain(name)}

    def of_name(self, name: str) -> Caa:
        """The set that counts for a DNS name; for a wildcard the climb begins below its star."""
        from dns.exception import DNSException

        try:
            domains = list(upwards(name.removeprefix("*.")))
        except (DNSException, UnicodeError):
            return Caa(detail="it is no name of the DNS")
        deadline = self._clock() + self._patience.seconds
        for domain in domains:
            found = self._sets.get(domain.to_text(omit_final_dot=True), partial(self._ask, domain, deadline))
            if found.domain or found.detail:
                return found
        return Caa()

    def _ask(self, domain: Name, deadline: float) -> Kept[Caa]:
        """The set at one domain; without domain and detail where there is none."""
        from dns.exception import DNSException, Timeout
        from dns.resolver import NXDOMAIN, NoNameservers

        text = domain.to_text(omit_final_dot=True)
        if self._resolver is None:
            return Kept(Caa(detail="this machine has no resolver that could be asked"), _LATER)
        if objection := self._patience.objection(text):
            return Kept(Caa(detail=objection), _LATER)
        left = deadline - self._clock()  # none left: the resolver times out at once
        try:
            answer = self._resolver.resolve(domain, "CAA", raise_on_no_answer=False, search=False, lifetime=left)
            records = [(record.flags, record.tag, record.value) for record in answer.rrset or ()]
            found = read_set(text, records)
        except NXDOMAIN:
            found = Caa()  # nothing there; what is above counts
        except Timeout:
            if self._patience.silent(text, left) and self._is_mute(self._resolver):
                self._patience.dead()
            return Kept(Caa(detail=f"the resolver gave no answer for {text} in time"), _LATER)
        except NoNameservers as error:
            found = Caa(detail=f"the resolver answered {refusal_of(error)} for {text}")
        except (DNSException, OSError) as error:
            found = Caa(detail=f"{text} could not be looked up: {type(error).__name__}")
        self._patience.answered(text)
        return Kept(found, _LATER)

    def _is_mute(self, resolver: Resolver) -> bool:
        """Whether it answers nothing at all, not even for the root, which every resolver has something to say of."""
        from dns.exception import DNSException, Timeout

        try:
            resolver.resolve(".", "SOA", raise_on_no_answer=False, lifetime=self._patience.seconds)
        except Timeout:
            return True
        except (DNSException, OSError):
            return False  # a refusal is an answer
        return False


# ---------------------------------------------------------------- one set


def read_set(domain: str, records: Iterable[tuple[int, bytes, bytes]]) -> Caa:
    """A set from its records, as flags, tag and value; an empty `Caa` where there are none."""
    issue, wild, forbidding, any_record = [], [], [], False
    for flags, tag, value in records:
        any_record = True
        match name := tag.decode("latin-1").lower():
            case "issue":
                issue.append(issuer_domain(value))
            case "issuewild":
                wild.append(issuer_domain(value))
            case _ if flags & _CRITICAL and name not in _KNOWN_TAGS:
                forbidding.append(name)
    if not any_record:
        return Caa()
    found = Caa(domain, tuple(sorted(issue)), tuple(sorted(wild)) if wild else None)
    if not forbidding:
        return found
    tags = ", ".join(sorted(f"“{_printable(name)}”" for name in set(forbidding)))
    return replace(found, detail=f"the critical property {tags} at {domain} forbids every CA to issue that ignores it")


def issuer_domain(value: bytes) -> str:
    """The CA's domain in the value of `issue` or `issuewild`, in lower case and without its parameters.

    Empty where there is none or the value is malformed: both forbid (RFC 8659, 4.2).
    """
    match = _ISSUE.fullmatch(value)
    domain = match["domain"] if match else None
    return domain.decode().lower() if domain else ""


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in text)[:63]
