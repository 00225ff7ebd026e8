"""Every reason a decision can have: one word, the same in logs, CLI, metrics and docs."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """One word per check, with its meaning beside it."""

    # Nothing to do
    HEALTHY = "healthy"  # valid, installed, served, not due
    # Renew
    NOT_ISSUED = "not-issued"  # no certificate exists yet
    UNREADABLE = "unreadable"  # what a declared target holds is no certificate
    KEY_LOST = "key-lost"  # neither store nor target has a key that matches
    INCOMPLETE = "incomplete"  # no path from what is stored to a trusted root
    NAMES_CHANGED = "names-changed"  # it does not cover the names that it must
    REVOKED = "revoked"
    EXPIRED = "expired"
    SUGGESTED = "suggested"  # the issuer asks for it now (ARI)
    DUE = "due"  # the lead has begun
    ASKED = "asked"  # a person asked for it
    # At the next due renewal, not before
    ISSUER_CHANGED = "issuer-changed"
    KEY_POLICY_CHANGED = "key-policy-changed"
    WEAK = "weak"
    # Redeploy
    MISSING = "missing"  # a target is empty
    DIFFERS = "differs"  # a target holds another certificate than the current one
    NOT_SERVED = "not-served"  # stored, but an endpoint shows another one
    UNFINISHED = "unfinished"  # an accepted bundle has not reached every target
    # Held back by
    OBSERVE = "observe"  # the mode says look only
    OWNED = "owned"  # another controller writes this place
    IMMUTABLE = "immutable"  # the place refuses writes
    PAUSED = "paused"
    QUARANTINED = "quarantined"  # this bundle did harm there
    OUTSIDE_WINDOW = "outside-window"
    BACKING_OFF = "backing-off"
    GAP = "gap"  # renewed too short a while ago
    CAP = "cap"  # as many orders as a day may have
    BUDGET = "budget"  # the hour, or the issuer, allows no more
    BREAKER = "breaker"  # too many failures at this issuer or kind of target
    SURGE = "surge"  # more renewals at once than were foreseen
    ROOT_CHANGED = "root-changed"  # the new chain ends in a root the clients may not trust
    TLSA_MISMATCH = "tlsa-mismatch"  # the DNS publishes keys that the next certificate would not match
    REQUEST_UNFIT = "request-unfit"  # the request that was made elsewhere cannot be ordered with
    APPROVAL = "approval"  # another new certificate before its time needs a person
    REPLACED_BY_HAND = "replaced-by-hand"  # somebody put an older one back
    UNSEEN = "unseen"  # a place could not be looked at
    SECOND_LOOK = "second-look"  # seen once; must be seen twice
    FIRST_LOOK = "first-look"  # nothing was known before; acts from the next look on
    LIFETIME_TOO_SHORT = "lifetime-too-short"  # shorter than four of the shortest ticks
    # Validation of a new chain: block
    KEY_MISMATCH = "key-mismatch"
    NAMES_MISSING = "names-missing"
    UNTRUSTED = "untrusted"
    NOT_YET_VALID = "not-yet-valid"
    IS_CA = "is-ca"
    NO_PROGRESS = "no-progress"
    SERVER_AUTH_MISSING = "server-auth-missing"
    # Validation of a new chain: hold
    CLIENT_AUTH_LOST = "client-auth-lost"
    KEY_TYPE_CHANGED = "key-type-changed"
    NAMES_ADDED = "names-added"  # it also covers what nobody asked for
    TOO_FEW_SCTS = "too-few-scts"
    # How a rotation went wrong
    ISSUE_FAILED = "issue-failed"
    CONFLICT = "conflict"  # the place changed under our hands
    DEPLOY_FAILED = "deploy-failed"
    NOT_RELOADED = "not-reloaded"  # the old one is still served, and valid
    HARM = "harm"  # an endpoint went down or shows a wrong certificate
    RESTORE_FAILED = "restore-failed"
