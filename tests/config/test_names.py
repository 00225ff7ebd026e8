"""A name that no issuer of its list can ever get signed is a mistake of the config; one that some cannot, a remark."""

from __future__ import annotations

import pytest

from rotator.config.load import load_text
from rotator.errors import ConfigError, ConfigProblem

TEXT = """\
mode: {mode}
issuers:
  web: {{acme: {{directory: letsencrypt, agree_terms: true{solvers}}}}}
  dns: {{acme: {{directory: letsencrypt, agree_terms: true, dns01: {{provider: route53}}}}}}
  own: {{local_ca: {{directory: /var/lib/ca}}}}
certificates:
  - name: shop
    names: {names}
    issuer: {issuer}
    targets: [{{files: {{certificate: /etc/tls/shop.crt, key: /etc/tls/shop.key}}}}]
"""
OVER_HTTP = "a wildcard cannot be proved over HTTP; configure dns01 for it, or name the hosts one by one"
OVER_TLS = "a wildcard cannot be proved over TLS; configure dns01 for it"
NO_RECORD = "an address has no DNS record to prove it by; configure http01 or tls_alpn01 for it"
NO_SOLVER = "none of the solvers is for it; widen the `names` of one"


def text(names: str, *, issuer: str = "web", solvers: str = "", mode: str = "rotate", more: str = "") -> str:
    return TEXT.format(names=names, issuer=issuer, solvers=solvers, mode=mode) + more


def problems(names: str, **how: str) -> tuple[ConfigProblem, ...]:
    """What is wrong with a config; nothing where it loads."""
    try:
        load_text(text(names, **how), "c.yaml")
    except ConfigError as error:
        return error.problems
    return ()


def remarks(names: str, **how: str) -> list[tuple[int, str, str]]:
    """What is told of a config that loads: column, path, sentence."""
    return [(one.column, one.path, one.message) for one in load_text(text(names, **how), "c.yaml").remarks()]


@pytest.mark.parametrize(
    ("names", "solvers", "why"),
    [
        ("'*.example.com'", "", OVER_HTTP),
        ("'*.example.com'", ", http01: {}, tls_alpn01: {}", f"{OVER_HTTP}; {OVER_TLS}"),
        ("'*.example.com'", ", tls_alpn01: {}", OVER_TLS),
        ("192.0.2.7", ", dns01: {provider: route53}", NO_RECORD),
        ("'2001:db8::7'", ", dns01: {provider: route53}", NO_RECORD),
        ("shop.example.com", ", solvers: [{names: ['*.example.org'], http01: {}}]", NO_SOLVER),
    ],
)
def test_a_name_that_no_solver_can_prove_is_told_with_the_remedy(names: str, solvers: str, why: str) -> None:
    """By what each way can prove (RFC 8555, 8; RFC 8738, 7), and by the names that the solvers are for."""
    (problem,) = problems(names, solvers=solvers)
    assert (problem.line, problem.column, problem.path) == (8, 12, "certificates[0].names")
    assert problem.message == f"the issuer web would refuse it: {names.strip(chr(39))} cannot be proved: {why}"


def test_each_such_name_of_a_list_is_told_where_it_stands() -> None:
    """In any spelling, once for each issuer of the list, where none of them could sign all the names."""
    found = problems("[shop.example.com, ' *.Example.com', '*.example.com', 192.0.2.7]", issuer="[dns, web]")
    assert [(one.column, one.path, one.message.partition(" would")[0]) for one in found] == [
        (31, "certificates[0].names[1]", "the issuer web"),
        (66, "certificates[0].names[3]", "the issuer dns"),
    ]


@pytest.mark.parametrize("issuer", ["[web, own]", "[own, web]"])
def test_an_issuer_that_another_of_the_list_stands_in_for_is_a_remark(issuer: str) -> None:
    """Which issuer is passed over for which name, who signs instead, and what to do; the config loads."""
    assert remarks("[shop.example.com, '*.example.com']", issuer=issuer) == [
        (
            31,
            "certificates[0].names[1]",
            f"the issuer web is passed over, and own alone can sign the certificate: *.example.com cannot be proved: "
            f"{OVER_HTTP}; or take web out of this list",
        )
    ]


def test_each_issuer_that_is_passed_over_is_told() -> None:
    """For each name that it could not sign; the others of the list are named."""
    found = remarks("['*.example.com', 192.0.2.7]", issuer="[web, own, dns]")
    assert [(column, message.partition(" cannot")[0]) for column, _, message in found] == [
        (13, "the issuer web is passed over, and own alone can sign the certificate: *.example.com"),
        (30, "the issuer dns is passed over, and own alone can sign the certificate: 192.0.2.7"),
    ]
    ((_, _, message),) = remarks("'*.example.com'", issuer="[web, dns, own]")
    assert "the issuer web is passed over, and dns and own can sign the certificate: *.example.com" in message


def test_there_is_no_remark_where_nothing_is_passed_over() -> None:
    """All of the list can sign it, or nobody is asked."""
    assert not remarks("shop.example.com", issuer="[web, own]")
    assert not remarks("'*.example.com'", issuer="[web, own]", mode="observe")


def test_an_issuer_that_cannot_be_read_may_sign_anything() -> None:
    """One with a mistake of its own, or that there is not: whether the list is in vain is told when that is mended."""
    odd = "issuers:\n  odd: {acme: {directory: letsencrypt, http01: {listen: x}}}"
    wrong = text("'*.example.com'", issuer="[web, odd]").replace("issuers:", odd)
    with pytest.raises(ConfigError) as raised:
        load_text(wrong, "c.yaml")
    assert [one.path for one in raised.value.problems] == ["issuers.odd.acme.http01.listen"]
    assert [one.path for one in problems("'*.example.com'", issuer="[web, gone]")] == ["certificates[0].issuer[1]"]


def test_what_can_be_proved_or_is_not_known_is_no_mistake() -> None:
    """A wildcard by DNS, an address over HTTP, any name of a CA that proves none, whatever a rule may find."""
    assert not problems("[shop.example.com, '*.example.com']", issuer="dns")
    assert not problems("192.0.2.7")
    assert not problems("['*.example.com', 'spiffe://example.com/shop']", issuer="own")
    more = "sources: {disk: {files: [/etc/*.crt]}}\nadopt: [{from: disk, match: {names: '*.a.com'}, issuer: web}]\n"
    assert not problems("shop.example.com", more=more)


def test_observing_needs_no_issuer_that_is_set_up() -> None:
    """As long as a certificate is only looked at, the way to prove its names may still be missing."""
    assert not problems("'*.example.com'", mode="observe")
    assert problems("'*.example.com'\n    mode: rotate", mode="observe")
