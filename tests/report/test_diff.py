"""Two scans compared: what came, went, was renewed or broke, and what nobody can tell."""

from __future__ import annotations

import json as standard
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from rotator.core.audit import Audit, Excused, Unseen
from rotator.core.model import Chain, KeySpec, Severity
from rotator.core.rules.rule import Rule
from rotator.report import diff_report, json
from rotator.report.diff import Changes, changes
from tests.builders import DAY, chain
from tests.report.audits import (
    EXPIRED,
    EXPIRING,
    RULES,
    audit,
    empty,
    file,
    hostile,
    large,
    line,
    ordinary,
    saying,
    served,
)
from tests.report.seeing import plain


def document(one: Audit) -> dict[str, Any]:
    """The JSON of a scan as it is read back from a file."""
    read = standard.loads(json.text(json.audit(one, RULES)))
    assert isinstance(read, dict)
    return read


def between(before: Audit, after: Audit) -> Changes:
    return changes(document(before), document(after))


OLD = chain(left=5 * DAY, label="old")
NEW = chain(left=80 * DAY, label="new")


def test_nothing_has_changed() -> None:
    """A scan compared with itself is empty in every form."""
    same = between(ordinary(), ordinary())
    assert diff_report.line(same) == "Since 2026-03-02: nothing has changed."
    assert set(diff_report.json(same)["summary"].values()) == {0}  # type: ignore[union-attr]  # an object


def test_a_renewal_is_no_finding() -> None:
    """A later certificate at the same place is renewed, and what was found of the old one is resolved."""
    before = file("/srv/a.pem", OLD)
    told = between(
        audit(line(before, saying(EXPIRING, before, "it ends in 5 d"))), audit(line(file("/srv/a.pem", NEW)))
    )
    assert [swap.name for swap in told.renewed] == ["web1:/srv/a.pem"]
    assert [one.rule for one in told.resolved] == ["RT002"]
    assert (told.found, told.altered, told.new, told.gone) == ((), (), (), ())


def test_a_finding_is_the_same_with_other_words() -> None:
    """ "Ends in 5 d" is the finding that was "ends in 6 d" yesterday; another part of the place is another finding."""
    where = file("/srv/a.pem", OLD)
    old = audit(line(where, saying(EXPIRING, where, "it ends in 6 d", about="leaf")))
    assert between(old, audit(line(where, saying(EXPIRING, where, "it ends in 5 d", about="leaf")))).found == ()
    other = between(old, audit(line(where, saying(EXPIRING, where, "it ends in 6 d", about="CN=Intermediate"))))
    assert (len(other.found), len(other.resolved)) == (1, 1)
    assert other.worst is Severity.ERROR


def test_an_older_certificate_is_replaced_not_renewed() -> None:
    """One that ends sooner than the one before is told apart: somebody put it back."""
    told = between(audit(line(file("/srv/a.pem", NEW))), audit(line(file("/srv/a.pem", OLD))))
    assert (len(told.renewed), len(told.replaced)) == (0, 1)


def test_what_else_changed_is_named() -> None:
    """Another issuer, kind of key or set of names is said beside the renewal, and so is a certificate that went."""
    old = chain("a.example.com", left=5 * DAY)
    new = chain("a.example.com", "b.example.com", key=KeySpec("rsa", 3072))
    new = Chain((replace(new.leaf, issuer="CN=Other"),))
    told = between(audit(line(file("/srv/a.pem", old))), audit(line(file("/srv/a.pem", new))))
    assert [(each.what, each.before, each.after) for each in told.altered] == [
        ("issuer", "CN=Test Issuing", "CN=Other"),
        ("key", "ecdsa-256", "rsa-3072"),
        ("names", "a.example.com", "a.example.com b.example.com"),
    ]
    emptied = between(audit(line(file("/srv/a.pem", old))), audit(line(file("/srv/a.pem"))))
    assert [(each.what, each.after) for each in emptied.altered] == [("certificate", "none")]


def test_places_come_and_go() -> None:
    """New places and gone ones are named; findings of what has gone are resolved."""
    gone = served("old.example.com", OLD)
    told = between(
        audit(line(gone, saying(EXPIRING, gone, "it ends"))), audit(line(served("new.example.com", NEW, "192.0.2.2")))
    )
    assert [place.name for place in told.new] == ["new.example.com:443 at 192.0.2.2"]
    assert [place.name for place in told.gone] == ["old.example.com:443 at 192.0.2.1"]
    assert len(told.resolved) == 1


def aged(one: Audit) -> dict[str, Any]:
    """The document as it was written before places had ids and gaps said whether they were sources."""
    old = document(one)
    for each in (*old["places"], *old["findings"]):
        del each["id"]
    for finding in old["findings"]:
        finding["place"] = f"{finding['location']['system']}:{finding['location']['address']}"
    for gap in old["unseen"]:
        del gap["source"]
    return old


@pytest.mark.parametrize("where", ["a.example.com:443 at 192.0.2.1", "a.example.com:443", "endpoints", "k8s://prod"])
@pytest.mark.parametrize("written", [document, aged])
def test_what_was_not_seen_has_not_gone(where: str, written: Callable[[Audit], dict[str, Any]]) -> None:
    """An address, an endpoint or a whole source that could not be looked at mends nothing and takes nothing away."""
    was = served("a.example.com", OLD)
    gap = Unseen(where, "timeout", whole=not where.startswith("a."))
    told = changes(written(audit(line(was, saying(EXPIRED, was, "it ended")))), written(audit(unseen=(gap,))))
    assert (told.gone, told.resolved) == ((), ())
    assert [place.name for place in told.unclear] == ["a.example.com:443 at 192.0.2.1"]
    assert told.lost == ((where, "timeout"),)


def test_another_place_that_was_not_seen_hides_nothing() -> None:
    """A single endpoint that is down says nothing of a file that was deleted: the JSON says that it is no source."""
    before = audit(line(file("/srv/gone.pem", OLD)))
    for where in ("smtp://mail.example.com:25", "down.example.com:443", "/srv/missing", ""):
        told = between(before, audit(unseen=(Unseen(where, "refused"),)))
        assert ([place.id for place in told.gone], told.unclear) == (["/srv/gone.pem"], ())


@pytest.mark.parametrize("where", ["/srv/certs", "web1:/srv/certs", "web2:/srv/certs/a.p12"])
def test_a_folder_that_was_not_seen_hides_what_is_in_it(where: str) -> None:
    """A mount that is missing, or a keystore that nobody could open, has not lost its certificates."""
    was, beside = file("/srv/certs/a.p12#shop", OLD), file("/srv/certs-old/b.pem", OLD)
    before = audit(line(was, saying(EXPIRING, was, "it ends")), line(beside))
    told = between(before, audit(unseen=(Unseen(where, "No such file or directory"),)))
    assert [place.id for place in told.unclear] == ["/srv/certs/a.p12#shop"]
    assert [place.id for place in told.gone] == ["/srv/certs-old/b.pem"]
    assert told.resolved == ()


# ---------------------------------------------------------------- other machines, other addresses


def test_another_machine_changes_nothing() -> None:
    """A container that has another name each night finds the same files, and says so."""
    one, other = (file("/srv/a.pem", OLD, host=host) for host in ("runner-1", "runner-2"))
    before, after = (audit(line(where, saying(EXPIRING, where, "it ends"))) for where in (one, other))
    for old in (document(before), aged(before)):
        assert diff_report.line(changes(old, document(after))) == "Since 2026-03-02: nothing has changed."
    renewed = between(before, audit(line(file("/srv/a.pem", NEW, host="runner-2"))))
    assert [swap.name for swap in renewed.renewed] == ["runner-2:/srv/a.pem"]
    assert len(renewed.resolved) == 1


def fleet(*shown: tuple[str, Chain], rule: Rule | None = None, unseen: tuple[str, ...] = ()) -> Audit:
    """Addresses of one endpoint with what each shows, and those that did not answer; a rule speaks of the old one."""
    lines = []
    for address, held in shown:
        where = served("a.example.com", held, f"192.0.2.{address}")
        lines.append(line(where, *([saying(rule, where, "it ends")] if rule and held is OLD else [])))
    return audit(*lines, unseen=tuple(Unseen(f"a.example.com:443 at 192.0.2.{each}", "refused") for each in unseen))


def test_other_addresses_change_nothing() -> None:
    """What a load balancer's name leads to changes by the hour; the service and what is wrong with it do not."""
    before = fleet(("1", OLD), ("2", OLD), rule=EXPIRING)
    after = fleet(("7", OLD), ("8", OLD), ("9", OLD), rule=EXPIRING)
    for old in (document(before), aged(before)):
        assert diff_report.line(changes(old, document(after))) == "Since 2026-03-02: nothing has changed."
    told = between(before, fleet(("7", NEW), ("8", NEW)))
    assert [(swap.name, swap.after.fingerprint) for swap in told.renewed] == [
        ("a.example.com:443 at 2 addresses", NEW.fingerprint)
    ]
    assert [one.name for one in told.resolved] == ["a.example.com:443 at 2 addresses"]
    assert (told.new, told.gone, told.altered, told.partly) == ((), (), (), ())


def test_a_partial_renewal_is_told_as_such() -> None:
    """While a replica still shows the old one nothing is mended; when the last has it, it is renewed."""
    before, half = fleet(("1", OLD), ("2", OLD), rule=EXPIRED), fleet(("1", NEW), ("2", OLD), rule=EXPIRED)
    told = between(before, half)
    assert [swap.name for swap in told.partly] == ["a.example.com:443 at 1 of 2 addresses"]
    assert (told.renewed, told.replaced, told.resolved) == ((), (), ())
    assert "\nAt some of its addresses only\na.example.com:443 at 1 of 2 addresses" in plain(diff_report.table(told))
    whole = between(half, fleet(("1", NEW), ("2", NEW)))
    assert (len(whole.renewed), len(whole.partly), len(whole.resolved)) == (1, 0, 1)
    back = between(half, fleet(("1", OLD), ("2", OLD), rule=EXPIRED))
    assert (len(back.replaced), len(back.renewed), len(back.found)) == (1, 0, 0)


def test_a_replica_that_did_not_answer_is_as_it_was() -> None:
    """Where the one with the fault was not looked at, the fault is not mended; the silence of another hides none."""
    before = fleet(("1", NEW), ("2", OLD), rule=EXPIRED)
    told = between(before, fleet(("1", NEW), unseen=("2",)))
    assert (told.resolved, told.renewed, told.gone) == ((), (), ())
    assert [where for where, _ in told.lost] == ["a.example.com:443 at 192.0.2.2"]
    assert len(between(before, fleet(("2", NEW), unseen=("1",))).resolved) == 1
    moved = between(fleet(("1", OLD), rule=EXPIRED), fleet(("8", NEW), unseen=("9",)))
    assert moved.resolved == (), "nobody knows whether the one that is silent is the one that was bad"
    assert len(moved.partly) == 1


def test_a_silent_address_that_moves_is_the_same() -> None:
    """A host that is down behind changing addresses is neither lost again nor regained each night."""
    told = between(fleet(unseen=("1",)), fleet(unseen=("2",)))
    assert (told.lost, told.regained) == ((), ())
    more = between(fleet(unseen=("1",)), fleet(unseen=("2", "3")))
    assert (len(more.lost), more.regained) == (1, ())


def test_each_kind_of_key_is_a_place_of_its_own() -> None:
    """Of a server that has two certificates one is renewed and the other is not; what is silent hides both."""
    both = {kind: chain(left=5 * DAY, label=kind) for kind in ("rsa", "ecdsa")}
    old = audit(*(line(served("a.example.com", held, key=kind)) for kind, held in both.items()))
    new = audit(
        line(served("a.example.com", NEW, "192.0.2.9", key="rsa")),
        line(served("a.example.com", both["ecdsa"], "192.0.2.9", key="ecdsa")),
    )
    told = between(old, new)
    assert [swap.name for swap in told.renewed] == ["a.example.com:443 at 192.0.2.9 (rsa)"]
    assert (told.new, told.gone, told.partly) == ((), (), ())
    for where in ("a.example.com:443", "a.example.com:443 at 192.0.2.7"):
        assert len(between(old, audit(unseen=(Unseen(where, "refused"),))).unclear) == 2
    half = between(old, audit(unseen=(Unseen("a.example.com:443 at 192.0.2.1 (rsa)", "alert"),)))
    assert ([place.id for place in half.unclear], [place.id for place in half.gone]) == (
        ["a.example.com:443 (rsa)"],
        ["a.example.com:443 (ecdsa)"],
    )


def test_a_machine_without_ipv6_mends_nothing_there() -> None:
    """What one machine saw by IPv6 is as it was where another has no route to it."""
    no_route = Unseen("tls:IPv6", "this machine has no route to IPv6")
    six, four = served("a.example.com", OLD, "2001:db8::1"), served("a.example.com", NEW)
    before = audit(line(six, saying(EXPIRED, six, "it ended")), line(four))
    told = between(before, audit(line(four), unseen=(no_route,)))
    assert (told.resolved, told.renewed, told.gone) == ((), (), ())
    alone = audit(line(six, saying(EXPIRED, six, "it ended")), line(served("b.example.com", OLD)))
    told = between(alone, audit(unseen=(no_route,)))
    assert [place.id for place in told.unclear] == ["a.example.com:443"]
    assert [place.id for place in told.gone] == ["b.example.com:443"]


def test_what_a_source_hides_is_not_seen_again() -> None:
    """A host that was down, of a source that is out of reach today, can not be looked at again."""
    told = between(
        audit(unseen=(Unseen("a:443", "refused"),)), audit(unseen=(Unseen("k8s://prod", "down", whole=True),))
    )
    assert told.regained == ()


def test_what_is_accepted_is_not_mended() -> None:
    """A finding that the baseline takes for known today is not among the resolved ones."""
    where = file("/srv/a.pem", OLD)
    said = saying(EXPIRING, where, "it ends")
    assert between(audit(line(where, said)), audit(line(where, excused=(Excused(said),)))).resolved == ()


def test_a_place_that_was_empty() -> None:
    """A certificate where there was none is no replacement, and is told as what it is."""
    told = between(audit(line(file("/srv/a.pem"))), audit(line(file("/srv/a.pem", NEW))))
    assert (told.replaced, told.renewed) == ((), ())
    assert [(each.what, each.before) for each in told.altered] == [("certificate", "none")]


def test_a_place_that_is_seen_again() -> None:
    """What could not be looked at and now can is named, once."""
    told = between(audit(unseen=(Unseen("web1:/srv/a.pem", "denied"),)), audit(line(file("/srv/a.pem", NEW))))
    assert told.regained == (("web1:/srv/a.pem", "denied"),)
    assert told.lost == ()


def test_older_documents_are_understood() -> None:
    """What a scan did not say at first is no change: no `about`, no `location` of findings, fewer keys of places."""
    old = deepcopy(document(ordinary()))
    for finding in old["findings"]:
        finding["place"] = f"{finding['location']['system']}:{finding['location']['address']}"
        for key in ("about", "location", "name", "id"):
            del finding[key]
    for place in old["places"]:
        for key in ("use", "service", "issuer", "team", "consumers", "addresses", "protocol", "excused", "id"):
            del place[key]
    for gap in old["unseen"]:
        del gap["source"]
    assert diff_report.line(changes(old, document(ordinary()))) == "Since 2026-03-02: nothing has changed."
    assert diff_report.line(changes(document(ordinary()), old)) == "Since 2026-03-02: nothing has changed."


def test_unknown_keys_are_passed_over() -> None:
    """A newer document than this rotator knows is compared by what it knows."""
    new = document(ordinary())
    new["future"] = {"a": 1}
    for place in new["places"]:
        place["future"] = [1]
    assert changes(document(ordinary()), new).new == ()


@pytest.mark.parametrize("wrong", [None, [], "text", {}, {"places": {}, "findings": []}, {"certificates": []}])
def test_what_is_no_scan_is_refused(wrong: object) -> None:
    """Another document says which one it was, and how to make the right one."""
    with pytest.raises(ValueError, match="the second document is no scan: write one with `rotator scan --output json`"):
        changes(document(empty()), wrong)
    with pytest.raises(ValueError, match="the first document"):
        changes(wrong, document(empty()))


@pytest.mark.parametrize("scrap", [None, 1, "x", [], {}, {"location": 1}, {"place": 3, "certificate": {"names": 1}}])
def test_scraps_in_a_scan_are_survived(scrap: object) -> None:
    """A document that was cut about by hand is compared as far as it goes."""
    broken = {"places": [scrap], "findings": [scrap], "unseen": [scrap]}
    told = changes(broken, document(ordinary()))
    assert len(told.new) == 7
    assert plain(diff_report.table(told))


def test_the_table_of_all_there_is() -> None:
    """Every kind of change has its part, new findings first, within 80 columns; the end counts them."""
    was, now = served("a.example.com", OLD), served("a.example.com", NEW)
    bad = file("/srv/b.pem", chain(left=-DAY))
    wild_old, wild_new = chain("*.example.com", left=5 * DAY), chain("*.example.com", left=90 * DAY, label="n")
    before = audit(
        line(was, saying(EXPIRING, was, "it ends in 5 d")),
        line(file("/srv/gone.pem", OLD)),
        *(line(served("w.example.com", wild_old, f"192.0.2.{n}")) for n in range(10, 20)),
    )
    after = audit(
        line(now),
        line(bad, saying(EXPIRED, bad, "it ended")),
        *(line(served("w.example.com", wild_new, f"192.0.2.{n}")) for n in range(10, 20)),
        unseen=(Unseen("down.example.com:443", "refused"),),
    )
    text = plain(diff_report.table(between(before, after)))
    for title in ("New findings", "Resolved", "Can be looked at no more", "New places", "Gone", "Renewed"):
        assert f"\n{title}\n" in text
    assert "critical  RT001  web1:/srv/b.pem: it ended" in text
    assert "w.example.com:443 at 10 addresses" in text
    assert " ".join(text.split()).endswith(
        "Since 2026-03-02: 1 new finding, 1 resolved; 1 new place, 1 gone, 2 renewed, 1 not looked at."
    )


def test_the_json_of_all_there_is() -> None:
    """The JSON has every list and how long it is."""
    said = standard.loads(json.text(diff_report.json(between(empty(), ordinary()))))
    assert said["summary"] == {
        "new": 7, "gone": 0, "unclear": 0, "renewed": 0, "replaced": 0, "partly": 0, "changed": 0, "found": 4,
        "resolved": 0, "lost": 1, "regained": 0,
    }  # fmt: skip
    assert said["found"][0]["location"] == {"system": "web1", "address": "/etc/ssl/old.pem"}


def test_hostile_names() -> None:
    """Names that turn text around, break lines or are a megabyte long stay within the table."""
    told = between(hostile(), empty())
    text = plain(diff_report.table(told))
    assert all(sign.isprintable() or sign == "\n" for sign in text)
    assert len(text) < 20_000
    json.text(diff_report.json(between(empty(), hostile()))).encode()


def test_ten_thousand_places() -> None:
    """The time for a comparison grows with the places alone."""
    before, nothing = document(large()), document(empty())
    began = time.process_time()
    assert changes(before, before).new == ()
    assert len(changes(before, nothing).gone) == 10_000
    assert time.process_time() - began < 5
