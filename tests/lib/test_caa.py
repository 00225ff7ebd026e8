"""Which CAA set counts for a name, asked of a real BIND; the grammar and the climb also against invented trees."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.core.model import Caa
from rotator.lib.caa import CaaRecords, Resolving, caa_of, issuer_domain, read_set
from rotator.lib.dns.resolving import MAX_LABELS
from rotator.lib.patience import GIVE_UP, GIVE_UP_ZONE, IN_VAIN, Patience, zone_of
from tests.servers.bind import BROKEN, Bind, start_bind
from tests.servers.ports import LOOPBACK

LETSENCRYPT = "letsencrypt.org"
ZONE = r"""
@            CAA 0 issue "letsencrypt.org"
deep.own     CAA 0 issue "Pki.Goog; accounturi=https://ca.example/1; validationmethods=dns-01"
none.free    A 127.0.0.1
closed       CAA 0 issue ";"
closed       CAA 0 iodef "mailto:security@shop.test"
mail         CAA 0 iodef "mailto:security@shop.test"
wild         CAA 0 issue "letsencrypt.org"
wild         CAA 0 issuewild "digicert.com"
wild         CAA 0 issuewild "sectigo.com"
onlywild     CAA 0 issuewild ";"
alias        CNAME target.elsewhere.test.
lost         CNAME nowhere.elsewhere.test.
strict       CAA 128 issue "letsencrypt.org"
strict       CAA 128 tbs "unknown"
lax          CAA 0 tbs "unknown"
*.any        CAA 0 issue "digicert.com"
bad          CAA 0 issue "two words"
"""
ZONES = {
    "shop.test": ZONE,
    "elsewhere.test": '@ CAA 0 issue "sectigo.com"\ntarget CAA 0 issue "globalsign.com"\n',
    "free.test": "www A 127.0.0.1\n",
    "test": '@ CAA 0 issuewild "top.example"\n',
    "bare": "www A 127.0.0.1\n",
    "broken.test": BROKEN,
}


@pytest.fixture(scope="module")
def bind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bind]:
    """A BIND with all zones of this module."""
    with start_bind(tmp_path_factory.mktemp("dns"), ZONES, resolver=True) as server:
        yield server


def asked(bind: Bind, *names: str, seconds: float = 10.0) -> dict[str, Caa]:
    """What BIND has for these names."""
    return dict(caa_of(names, Resolving((bind.address,), bind.port, seconds)))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("shop.test", Caa("shop.test", (LETSENCRYPT,)), id="at-the-name"),
        pytest.param("WWW.Shop.Test.", Caa("shop.test", (LETSENCRYPT,)), id="at-the-parent-case-and-dot-aside"),
        pytest.param("a.b.c.shop.test", Caa("shop.test", (LETSENCRYPT,)), id="far-above-names-that-do-not-exist"),
        pytest.param("x.deep.own.shop.test", Caa("deep.own.shop.test", ("pki.goog",)), id="the-nearest-counts"),
        pytest.param("closed.shop.test", Caa("closed.shop.test", ("",)), id="nobody-may"),
        pytest.param("mail.shop.test", Caa("mail.shop.test"), id="a-set-without-issue-hides-the-parent"),
        pytest.param("www.bare", Caa(), id="none-up-to-the-top-level-domain"),
        pytest.param("www.free.test", Caa("test", (), ("top.example",)), id="at-the-top-level-domain"),
        pytest.param("lax.shop.test", Caa("lax.shop.test"), id="what-is-unknown-and-not-critical-is-passed-over"),
        pytest.param("bad.shop.test", Caa("bad.shop.test", ("",)), id="what-is-malformed-forbids"),
        pytest.param("x.any.shop.test", Caa("x.any.shop.test", ("digicert.com",)), id="a-wildcard-in-the-zone"),
    ],
)
def test_the_set_that_counts(bind: Bind, name: str, expected: Caa) -> None:
    """The first set on the way from the name to its top level domain counts, whatever is above it (RFC 8659, 3)."""
    assert asked(bind, name) == {name: expected}


def test_wildcards_have_a_property_of_their_own(bind: Bind) -> None:
    """`issuewild` stands beside `issue`; a wildcard name climbs from below its star."""
    found = asked(bind, "*.wild.shop.test", "*.shop.test", "onlywild.shop.test")
    assert found["*.wild.shop.test"] == Caa("wild.shop.test", (LETSENCRYPT,), ("digicert.com", "sectigo.com"))
    assert found["*.shop.test"] == Caa("shop.test", (LETSENCRYPT,), None)
    assert found["onlywild.shop.test"] == Caa("onlywild.shop.test", (), ("",))


def test_an_alias_has_the_set_of_its_target(bind: Bind) -> None:
    """A CNAME is followed at the name; the climb then goes on above the name, not above the target."""
    found = asked(bind, "alias.shop.test", "lost.shop.test")
    assert found["alias.shop.test"] == Caa("alias.shop.test", ("globalsign.com",))
    assert found["lost.shop.test"] == Caa("shop.test", (LETSENCRYPT,))


def test_an_unknown_critical_property_is_told(bind: Bind) -> None:
    """It forbids CAs to issue that do not know it, so it is said; the rest of the set is there beside it."""
    (found,) = asked(bind, "strict.shop.test").values()
    assert (found.domain, found.issue) == ("strict.shop.test", (LETSENCRYPT,))
    assert found.detail == ("the critical property “tbs” at strict.shop.test forbids every CA to issue that ignores it")


def test_a_failed_lookup_is_no_empty_set(bind: Bind, tree: Bind) -> None:
    """SERVFAIL and REFUSED are told with the domain they were for; nothing above is taken in their place."""
    assert asked(bind, "www.broken.test") == {
        "www.broken.test": Caa(detail="the resolver answered SERVFAIL for www.broken.test")
    }
    assert asked(tree, "www.example") == {"www.example": Caa(detail="the resolver answered REFUSED for www.example")}


def test_a_silent_resolver_is_left_in_time() -> None:
    """A resolver that never answers costs each name no more than its time, and a long run not that for each name."""
    names = [f"www.shop{number}.test" for number in range(200)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((LOOPBACK, 0))
        found = caa_of(names, Resolving((LOOPBACK,), silent.getsockname()[1], seconds=0.2))
    details = [caa.detail for caa in found.values()]
    assert details[0] == "the resolver gave no answer for www.shop0.test in time"
    assert details[-1] == f"the resolver gave no answer {GIVE_UP} times in a row; not asked again"


def test_a_silent_zone_costs_no_other(tmp_path: Path) -> None:
    """A certificate with names of zones that nobody answers for: they are left, and every other name is asked."""
    dead = [f"www{number}.dead.test" for number in range(12)] + [f"www.dead{number}.test" for number in range(12)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((LOOPBACK, 0))
        port = silent.getsockname()[1]
        elsewhere = dict.fromkeys(["dead.test", *(f"dead{number}.test" for number in range(12))], port)
        with start_bind(tmp_path, {"shop.test": ZONE}, resolver=True, elsewhere=elsewhere) as server:
            records = CaaRecords(Resolving((server.address,), server.port, seconds=0.6))
            found = records.of(dead)
            assert records.of(["www.shop.test"]) == {"www.shop.test": Caa("shop.test", (LETSENCRYPT,))}
    assert found["www0.dead.test"].detail == "the resolver gave no answer for www0.dead.test in time"
    assert found["www11.dead.test"].detail == (
        f"the resolver gave no answer for dead.test {GIVE_UP_ZONE} times in a row; not asked again"
    )
    assert all(caa.detail for caa in found.values())
    assert sum(caa.detail.endswith("in time") for caa in found.values()) == GIVE_UP_ZONE + 12


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("www.shop.test", "shop.test"),
        ("shop.test", "shop.test"),
        ("test", "test"),
        ("a.b.shop.co.uk", "shop.co.uk"),
        ("a.shop.org", "shop.org"),
        ("a.b.ab.com", "ab.com"),
    ],
)
def test_whose_silence_it_is(name: str, zone: str) -> None:
    """A zone is what one owner registered, as far as its name tells; `co.uk` is nobody's."""
    assert zone_of(name) == zone


def test_what_is_asked_in_vain_is_asked_more_shortly() -> None:
    """After minutes of waiting for zones that are silent, each further one may take a tenth of the time only."""
    patience = Patience(10.0)
    assert patience.seconds == 10.0
    for number in range(int(IN_VAIN / 10)):
        patience.silent(f"dead{number}.test", 10.0)
    assert patience.seconds == 1.0
    patience.answered("shop.test")
    assert patience.objection("shop.test") == ""
    assert patience.seconds == 1.0


def test_many_names_at_once(bind: Bind) -> None:
    """Hundreds of names below one domain get its set, looked up side by side, the domain itself but once."""
    names = [f"host{number}.shop.test" for number in range(300)]
    assert set(asked(bind, *names).values()) == {Caa("shop.test", (LETSENCRYPT,))}


def test_what_was_looked_up_is_remembered(bind: Bind) -> None:
    """One that is asked for certificate after certificate goes on without the server for what it knows already."""
    records = CaaRecords(Resolving((bind.address,), bind.port, seconds=3))
    first = records.of(["www.shop.test", "*.shop.test", "192.0.2.1"])
    assert first == dict.fromkeys(["www.shop.test", "*.shop.test"], Caa("shop.test", (LETSENCRYPT,)))
    bind.process.send(signal.SIGSTOP)
    try:
        assert records.of(["shop.test", "www.shop.test"])["www.shop.test"] == Caa("shop.test", (LETSENCRYPT,))
        assert records.of(["other.test"])["other.test"].detail
    finally:
        bind.process.send(signal.SIGCONT)


def test_only_domains_are_looked_up() -> None:
    """Addresses, URIs and e-mail addresses have no CAA; a name that is none is said to be none."""
    none = Resolving((LOOPBACK,), 1, seconds=0.1)
    assert caa_of(["192.0.2.1", "2001:db8::1", "spiffe://x/y", "a@shop.test", "other:1.2.3"], none) == {}
    for name in ("a..b", "x" * 64, ".".join(["a"] * (MAX_LABELS + 1))):
        assert caa_of([name], none) == {name: Caa(detail="it is no name of the DNS")}


@pytest.mark.parametrize(
    ("value", "domain"),
    [
        (b"letsencrypt.org", "letsencrypt.org"),
        (b"  CA.Example \t", "ca.example"),
        (b"ca.example;", "ca.example"),
        (b"ca.example ; policy=ev", "ca.example"),
        (b"ca.example; a=1 ; b-c = x=y", "ca.example"),
        (b"ca1.ca--x.example", "ca1.ca--x.example"),
        (b"", ""),
        (b";", ""),
        (b"; a=1", ""),
        (b"ca.example; noequals", ""),
        (b"-ca.example", ""),
        (b"ca..example", ""),
        (b"https://ca.example", ""),
        (b"ca.example\xff", ""),
        (b"ca.example\n", ""),
    ],
)
def test_the_grammar_of_issue(value: bytes, domain: str) -> None:
    """Parameters are left out; what does not fit the grammar counts as no domain, which forbids (RFC 8659, 4.2)."""
    assert issuer_domain(value) == domain


@given(st.binary(max_size=300))
def test_any_value_is_read(value: bytes) -> None:
    """Whatever stands in a value, what comes out is a plain lower-case domain or nothing."""
    domain = issuer_domain(value)
    assert domain == domain.lower()
    assert all(sign.isascii() and (sign.isalnum() or sign in "-.") for sign in domain)


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=20), st.binary(max_size=40)), max_size=6))
def test_any_set_is_read(records: list[tuple[int, bytes, bytes]]) -> None:
    """Whatever records are there, the set is read, is empty only where there are none, and is fit to be shown."""
    found = read_set("shop.test", records)
    assert bool(found.domain) == bool(records)
    assert found.detail.isprintable()


TREE = {
    ".".join(place)
    for depth in range(1, 5)
    for place in product("abc", repeat=depth)
    if crc32("".join(place).encode()) % 3 == 0
}
"""Some of all the names with up to four labels of `a`, `b`, `c`; always the same ones."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bind]:
    """A BIND where the domains of the tree have a set each."""
    zones = {
        top: "".join(f'{place}. CAA 0 issue "{place}.example"\n' for place in TREE if place[-1] == top) for top in "abc"
    }
    with start_bind(tmp_path_factory.mktemp("tree"), zones) as server:
        yield server


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(st.lists(st.sampled_from("abcABCxyz"), max_size=5), min_size=1, max_size=20),
    top=st.sampled_from("abc"),
)
def test_the_climb_finds_the_nearest(tree: Bind, names: list[list[str]], top: str) -> None:
    """The set is that of the longest suffix that has one, whatever case the name is in."""
    full = [".".join([*labels, top]) for labels in names]
    found = asked(tree, *full)
    for name in full:
        labels = name.lower().split(".")
        suffixes = (".".join(labels[start:]) for start in range(len(labels)))
        nearest = next((suffix for suffix in suffixes if suffix in TREE), "")
        assert found[name].domain == nearest
        assert found[name].issue == ((f"{nearest}.example",) if nearest else ())
