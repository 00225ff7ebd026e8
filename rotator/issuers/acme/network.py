"""Signed requests to one CA, with what the `acme` package leaves to its caller.

The package does the JOSE work: account keys, nonces, signatures, message types. Its client class is not used: it polls
on a timer of its own, reads `Retry-After` dates in the local time zone and knows no `replaces`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Any, Self

import requests
from acme import errors, messages
from acme.client import ClientNetwork
from josepy.errors import Error as JoseError
from josepy.interfaces import JSONDeSerializable
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from rotator.errors import IssueError
from rotator.issuers.acme.directory import Directory
from rotator.issuers.acme.errors import Unreachable, refusal
from rotator.lib.http import explain
from rotator.lib.jsonobject import read_object

NONCE_ROUNDS = 10
"""Each has two tries. A server may refuse good nonces (RFC 8555, 6.5), and some do so often."""

_ODD = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What the package raises over JSON of a shape that it does not expect."""

CHAIN_TYPE = "application/pem-certificate-chain"


class _Network(ClientNetwork):
    """The package's network on our bounded session, using the nonce that an error brings along (RFC 8555, 6.5)."""

    def __init__(self, http: requests.Session, key: JWKEC, verify: bool | str) -> None:
        super().__init__(key, alg=ES256, user_agent=f"rotator/{version('rotator')}")
        self.verify_ssl = verify  # type: ignore[assignment]  # requests takes a file as well
        self.session.close()
        self.session = http
        self.last: requests.Response | None = None
        http.hooks["response"].append(self._remember)

    def post(self, *args: Any, **named: Any) -> requests.Response:
        for _ in range(NONCE_ROUNDS - 1):
            try:
                return super().post(*args, **named)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super().post(*args, **named)

    def _remember(self, answer: requests.Response, **_: Any) -> None:
        self.last = answer
        if not answer.ok and self.REPLAY_NONCE_HEADER in answer.headers:
            self._add_nonce(answer)


class Fields(JSONDeSerializable):
    """The fields of a request that the package has no class for."""

    def __init__(self, **fields: object) -> None:
        self._fields = fields

    def to_partial_json(self) -> dict[str, object]:
        return self._fields

    @classmethod
    def from_json(cls, jobj: Any) -> Self:
        return cls(**jobj)


class Server:
    """A CA and our account there, for one thread at a time.

    Attributes:
        issuer: the configured name, the beginning of every sentence.
        account: its address at the CA; empty until it is known.
    """

    def __init__(
        self,
        http: requests.Session,
        directory: Directory,
        key: JWKEC,
        *,
        issuer: str,
        verify: bool | str,
        now: Callable[[], datetime],
    ) -> None:
        self.directory = directory
        self.key = key
        self.issuer = issuer
        self._now = now
        self._network = _Network(http, key, verify)

    @property
    def account(self) -> str:
        account = self._network.account
        return str(account.uri) if account is not None else ""

    def use_account(self, address: str) -> None:
        """Sign as this account from now on; before, requests carry the key itself (RFC 8555, 6.2)."""
        body = messages.Registration()
        self._network.account = messages.RegistrationResource(body=body, uri=address) if address else None

    def post(self, url: str, body: JSONDeSerializable | None, *, accept: str = "application/json") -> requests.Response:
        """Send a signed request; without a body it only asks (POST-as-GET).

        Raises:
            Refused: the CA answered with an error.
            Unreachable: it did not answer.
            IssueError: its answer is not ACME.
        """
        if not url.startswith("https://"):
            raise IssueError(f"{self.issuer}: the CA names an address that is not https; not asked", permanent=True)
        headers = {"Content-Type": ClientNetwork.JOSE_CONTENT_TYPE, "Accept": accept}
        self._network.last = None
        try:
            return self._network.post(url, body, headers=headers, new_nonce_url=self.directory.new_nonce)
        except requests.RequestException as error:
            raise Unreachable(f"{self.issuer}: {explain(error)}") from error
        except (errors.Error, JoseError, *_ODD) as error:
            # The package keeps neither status nor headers of an error: judge the answer itself.
            answer = self._network.last
            if answer is not None and answer.status_code >= requests.codes.bad_request:
                raise refusal(answer, self.issuer, self._now()) from error
            raise IssueError(f"{self.issuer}: the CA's answer is not ACME: {type(error).__name__}") from error

    def resource(self, answer: requests.Response) -> Mapping[str, Any]:
        """The JSON object in an answer.

        Raises:
            IssueError: there is none.
        """
        found = read_object(answer.content)
        if found is None:
            raise IssueError(f"{self.issuer}: the CA's answer is not ACME: no JSON object")
        return found
