"""What the authoritative servers of a zone show, each asked itself: a cache would hide what is new, or what lags."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from rotator.lib.dns.lookups import Nameserver
from rotator.lib.reach import has_no_way

if TYPE_CHECKING:
    from dns.message import Message

QUERY_SECONDS = 4.0
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Shown:
    """What one address of one server answered.

    Attributes:
        values: of the TXT records there.
        problem: a clause why it gave no answer that counts; empty where it did.
        is_out_of_reach: this machine has no way to such an address, as without IPv6.
    """

    server: Nameserver
    values: frozenset[str] = frozenset()
    problem: str = ""
    is_out_of_reach: bool = False


def text_at(name: str, servers: Sequence[Nameserver], seconds: float = QUERY_SECONDS) -> list[Shown]:
    """The TXT records that each server shows at a name, asked side by side."""
    if not servers:
        return []
    with ThreadPoolExecutor(min(_AT_ONCE, len(servers)), thread_name_prefix="dns") as pool:
        return list(pool.map(lambda server: _asked(server, name, seconds), servers))


def lagging(shown: Iterable[Shown], wanted: Collection[str]) -> list[str]:
    """A clause for each server that does not show all of these values; empty when all do.

    An address that this machine has no way to is passed over where another one of the same server answers.
    """
    clauses = []
    for _, group in groupby(sorted(shown, key=lambda each: each.server.name), key=lambda each: each.server.name):
        each_address = list(group)
        within_reach = [each for each in each_address if not each.is_out_of_reach] or each_address[:1]
        clauses += [clause for each in within_reach if (clause := _lag(each, wanted))]
    return clauses


def _lag(shown: Shown, wanted: Collection[str]) -> str:
    if shown.problem:
        return f"{shown.server} {shown.problem}"
    missing = [value for value in wanted if value not in shown.values]
    if not missing:
        return ""
    what = "nothing yet" if not shown.values else f"{len(wanted) - len(missing)} of {len(wanted)} values"
    return f"{shown.server} shows {what}"


def _asked(server: Nameserver, name: str, seconds: float) -> Shown:
    from dns import flags, message, query, rcode
    from dns.exception import DNSException, Timeout

    question = message.make_query(name, "TXT")
    question.flags &= ~flags.RD  # its own word, nothing that it asked of others
    try:
        answer, _ = query.udp_with_fallback(question, server.address, port=server.port, timeout=seconds)
    except Timeout:
        return Shown(server, problem="does not answer")
    except EOFError:
        return Shown(server, problem="hung up before its answer was whole")
    except OSError as error:
        no_way = has_no_way(error)
        return Shown(server, problem=f"cannot be asked: {error.strerror or error}", is_out_of_reach=no_way)
    except DNSException as error:
        return Shown(server, problem=f"gives an answer that cannot be read: {type(error).__name__}")
    if answer.rcode() not in {rcode.NOERROR, rcode.NXDOMAIN}:
        return Shown(server, problem=f"answers {rcode.to_text(answer.rcode())}")
    if not answer.flags & flags.AA:
        return Shown(server, problem="is not authoritative there, though the zone names it")
    return Shown(server, _values(answer, name))


def _values(answer: Message, name: str) -> frozenset[str]:
    from dns import name as names
    from dns.rdataclass import IN
    from dns.rdatatype import TXT

    rrset = answer.get_rrset(answer.answer, names.from_text(name), IN, TXT)
    return frozenset(b"".join(record.strings).decode("latin-1") for record in rrset or ())
