"""What an ACME server says of an order and its authorizations, and what we keep of them to resume.

Read leniently: a status or a challenge of a kind that is not known must not stop what is (RFC 8555, 7.1.6 and 9.7).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

PENDING, READY, PROCESSING, VALID, INVALID = "pending", "ready", "processing", "valid", "invalid"


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it stands (RFC 8555, 7.1.3).

    Attributes:
        expires: when it is of no more use; None when the CA does not say.
        certificate: where the chain is, once it is valid.
        error: the problem that made it invalid.
    """

    status: str
    finalize: str
    authorizations: tuple[str, ...]
    certificate: str = ""
    expires: datetime | None = None
    error: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Self:
        authorizations = found.get("authorizations")
        return cls(
            status=_text(found, "status"),
            finalize=_text(found, "finalize"),
            authorizations=tuple(str(url) for url in authorizations) if isinstance(authorizations, list) else (),
            certificate=_text(found, "certificate"),
            expires=_moment(_text(found, "expires")),
            error=_object(found, "error"),
        )

    def is_over(self, now: datetime) -> bool:
        """It cannot lead to a certificate any more."""
        ended = self.expires is not None and self.expires <= now
        return self.status == INVALID or (ended and self.status != VALID)


@dataclass(frozen=True, slots=True)
class Authorization:
    """Whether we have proved that a name is ours (RFC 8555, 7.1.4).

    Attributes:
        url: where it is; the only link to its order, whose lists have no order.
        name: the DNS name or address; a wildcard's without the asterisk.
        wildcard: it is of the wildcard below the name.
        challenges: as the CA sent them.
    """

    url: str
    name: str
    status: str
    challenges: tuple[Mapping[str, Any], ...]
    wildcard: bool = False

    @classmethod
    def read(cls, found: Mapping[str, Any], url: str) -> Self:
        challenges = found.get("challenges")
        return cls(
            url=url,
            name=_text(_object(found, "identifier"), "value"),
            status=_text(found, "status"),
            challenges=tuple(each for each in challenges if isinstance(each, dict))
            if isinstance(challenges, list)
            else (),
            wildcard=found.get("wildcard") is True,
        )

    @property
    def ordered_name(self) -> str:
        """The name as it was ordered."""
        return f"*.{self.name}" if self.wildcard else self.name

    @property
    def has_failed(self) -> bool:
        """Invalid, expired, deactivated, revoked: it never becomes valid again."""
        return self.status not in {PENDING, VALID}

    def challenge(self, kind: str) -> Mapping[str, Any] | None:
        return next((each for each in self.challenges if each.get("type") == kind), None)

    @property
    def error(self) -> Mapping[str, Any]:
        """Why it failed: the error of the challenge that was tried."""
        return next((error for each in self.challenges if (error := _object(each, "error"))), {})


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What must survive a crash so that an order is resumed and not made again.

    Attributes:
        replaces: the certificate that the CA took the order to succeed (RFC 9773, 5); empty where it took it as new.
    """

    directory: str
    account: str
    csr: str
    order: str
    finalize: str
    authorizations: tuple[str, ...]
    finalized: bool = False
    replaces: str = ""

    @property
    def token(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def read(cls, token: str | None) -> Self | None:
        """The checkpoint in a token; None for none, or for one that another version wrote."""
        try:
            found = json.loads(token or "")
            return cls(**{**found, "authorizations": tuple(found["authorizations"])})
        except (ValueError, TypeError, KeyError):
            return None


def csr_digest(csr: bytes) -> str:
    return hashlib.sha256(csr).hexdigest()


def _text(found: Mapping[str, Any], key: str) -> str:
    value = found.get(key)
    return value if isinstance(value, str) else ""


def _object(found: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = found.get(key)
    return value if isinstance(value, dict) else {}


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
