"""Whether an order would be a renewal for its CA: the CA has issued for exactly these names before. Pure."""

from __future__ import annotations

from rotator.core.budget.limits import IssuerBudget
from rotator.core.caa_domains import ca_domains
from rotator.core.drift import current_chain
from rotator.core.lead import PolicySettings
from rotator.core.model import CertificateSpec, Chain, Facts

ISSUED = "issued"


def budget_of(issuer: str, settings: PolicySettings) -> IssuerBudget:
    """What is known of an issuer's budget; one that is not configured shares it with nobody."""
    return settings.budgets.get(issuer) or IssuerBudget(ca=issuer, account=issuer)


def known_at(facts: Facts, settings: PolicySettings) -> frozenset[str]:
    """The issuers of a certificate whose CA has issued for exactly its names before.

    By the ledger, by who signed the current chain, or by what its issuer calls itself where rotator found it.
    """
    spec = facts.spec
    return frozenset(issuer for issuer in spec.issuers if _knows(issuer, facts, spec, settings))


def may_have_signed(issuer: str, chain: Chain, settings: PolicySettings) -> bool:
    """Whether an issuer's CA may have signed a chain of which only its own fields tell anything; False where both are
    known, by what CAA records call them, and are not the same CA."""
    own, signer = budget_of(issuer, settings).caa_domains, ca_domains(chain.leaf.issuer)
    return not own or not signer or bool(own & signer)


def _knows(issuer: str, facts: Facts, spec: CertificateSpec, settings: PolicySettings) -> bool:
    own, names = budget_of(issuer, settings), frozenset(spec.names)
    ordered = (order for order in facts.history.orders if order.result == ISSUED and frozenset(order.names) == names)
    if any(budget_of(order.issuer, settings).ca == own.ca for order in ordered):
        return True
    accepted = facts.history.accepted
    if accepted is not None and frozenset(accepted.names) == names and facts.history.accepted_issuer:
        return budget_of(facts.history.accepted_issuer, settings).ca == own.ca
    chain = current_chain(facts)
    if chain is None or frozenset(chain.names) != names:
        return False
    return bool(own.caa_domains & ca_domains(chain.leaf.issuer))
