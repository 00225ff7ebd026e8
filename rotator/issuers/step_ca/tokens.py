"""One-time tokens: what proves to a step-ca that we are one of its JWK provisioners."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from rotator.lib.jsonobject import read_object

LIFE = timedelta(minutes=5)
"""Of a token; the CA takes each once."""


class KeyUnusableError(ValueError):
    """The provisioner's key cannot sign; the message is one clause, without the key."""


@dataclass(frozen=True, slots=True)
class ProvisionerKey:
    """The private key of a JWK provisioner.

    Attributes:
        issuer: the provisioner's name.
        kid: which of its keys it is.
    """

    issuer: str
    kid: str
    algorithm: Any
    key: Any = field(repr=False)

    @classmethod
    def read(cls, issuer: str, text: bytes) -> ProvisionerKey:
        """Read a private JWK (RFC 7517): EC, as step-ca makes them, or RSA.

        Raises:
            KeyUnusableError: it is no private key, or of another kind.
        """
        from josepy import errors, jwa, jwk

        said = read_object(text)
        if said is None:
            raise KeyUnusableError("it is no JWK")
        if "d" not in said:
            raise KeyUnusableError("it is no private key")
        algorithms = {"P-256": jwa.ES256, "P-384": jwa.ES384, "P-521": jwa.ES512, "RSA": jwa.RS256}
        algorithm = algorithms.get(str(said.get("crv") or said.get("kty")))
        if algorithm is None:
            raise KeyUnusableError(
                f"its kind ({said.get('crv') or said.get('kty')}) is none of {', '.join(algorithms)}"
            )
        try:
            key: Any = jwk.JWK.from_json(said)
            kid = said.get("kid") or _encoded(key.thumbprint())
        except (errors.Error, KeyError, ValueError, TypeError, AttributeError) as error:  # of numbers for texts, too
            raise KeyUnusableError("its numbers are no key") from error
        return cls(issuer, str(kid), algorithm, key)

    def token(self, audience: str, subject: str, now: datetime, **claims: object) -> str:
        """Sign a token for one request.

        Args:
            audience: the address of what it is for (`…/1.0/sign`).
            subject: the name, or the serial, that it is about.
        """
        from josepy.jws import JWS

        begin = int(now.timestamp())  # not backdated: a CA takes no token from before its own start
        said: Mapping[str, object] = {
            "iss": self.issuer,
            "aud": audience,
            "sub": subject,
            "nbf": begin,
            "iat": begin,
            "exp": begin + int(LIFE.total_seconds()),
            "jti": secrets.token_hex(32),
            **claims,
        }
        signed = JWS.sign(
            json.dumps(said).encode(),
            key=self.key,
            alg=self.algorithm,
            kid=self.kid,
            include_jwk=False,
            protect=frozenset({"alg", "kid"}),
        )
        return str(signed.to_compact().decode("ascii"))

    def sign_token(
        self, url: str, subject: str, names: Sequence[str], now: datetime, root: str, **claims: object
    ) -> str:
        """A token with which exactly these names may be signed, once; `root` is the fingerprint that is pinned."""
        pinned = {"sha": root} if root else {}
        return self.token(f"{url}/1.0/sign", subject, now, sans=list(names), **pinned, **claims)


def _encoded(thumbprint: bytes) -> str:
    from josepy.b64 import b64encode

    return str(b64encode(thumbprint).decode("ascii"))
