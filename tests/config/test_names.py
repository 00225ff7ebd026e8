"""A name that its issuer can never get signed is a mistake of the config, told where the name stands."""

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


def problems(
    names: str, *, issuer: str = "web", solvers: str = "", mode: str = "rotate", more: str = ""
) -> tuple[ConfigProblem, ...]:
    """What is wrong with a config; nothing where it loads."""
    try:
        load_text(TEXT.format(names=names, issuer=issuer, solvers=solvers, mode=mode) + more, "c.yaml")
    except ConfigError as error:
        return error.problems
    return ()


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
    """In any spelling, once for each issuer of the list that could never sign it: a fallback that cannot is none."""
    found = problems("[shop.example.com, ' *.Example.com', '*.example.com', 192.0.2.7]", issuer="[dns, web]")
    assert [(one.column, one.path, one.message.partition(" would")[0]) for one in found] == [
        (31, "certificates[0].names[1]", "the issuer web"),
        (66, "certificates[0].names[3]", "the issuer dns"),
    ]


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
