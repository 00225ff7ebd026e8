"""The ACME issuer: certificates by order, with renewal information (ARI) where the CA has it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar

import requests

from rotator.core.model import Certificate, Chain, Check, IssueRequest, PreflightRequest, Suggestion
from rotator.core.pem import PemError, read_certificates
from rotator.errors import IssueError
from rotator.issuers.acme.ari import certificate_id, nothing, read_suggestion
from rotator.issuers.acme.directory import Directory, caa_domains, fetch_directory
from rotator.issuers.acme.errors import Refused
from rotator.issuers.acme.http01 import showing
from rotator.issuers.acme.settings import AcmeSettings
from rotator.lib.http import explain, session
from rotator.lib.issued import read_issued
from rotator.ports import Clock, Keep
from rotator.settings import PluginSettings

REQUEST_SECONDS = 30.0
DIRECTORY_FRESH = timedelta(hours=1)
ARI_PAUSE = timedelta(minutes=1)


class AcmeIssuer:
    """Orders from one ACME CA, as one account. May be used by several threads at once."""

    Settings: ClassVar[type[PluginSettings]] = AcmeSettings

    def __init__(self, name: str, settings: AcmeSettings, clock: Clock, keep: Keep) -> None:
        self.name = name
        self._settings = settings
        self._clock = clock
        self._keep = keep
        self._guard = threading.Lock()
        self._directory: tuple[Directory, float] | None = None
        self._unreachable_until = 0.0

    def issue(self, request: IssueRequest, *, resume: str | None, checkpoint: Callable[[str], None]) -> Chain:
        """Order, prove, finalize, download; or whatever of that the resumed order still needs.

        The lifetime is the CA's: `request.lifetime` cannot be asked for, a profile can.
        """
        if problem := _unprovable(request.names):
            raise IssueError(f"{self.name}: {problem}", permanent=True)
        try:
            return self._issue(request, resume, checkpoint)
        except Refused as error:
            if error.code != "accountDoesNotExist":
                raise
        # The CA was rebuilt or dropped the account, and every order with it: register the same key again, once.
        return self._issue(request, None, checkpoint, register=True)

    def _issue(
        self, request: IssueRequest, resume: str | None, checkpoint: Callable[[str], None], *, register: bool = False
    ) -> Chain:
        from rotator.issuers.acme import account, network, order  # the acme package is slow to load

        with self._session() as http:
            directory = self._offered(http)
            accounts = account.Accounts(self._keep, self._settings)
            with self._guard:  # two first orders at once must not make two accounts
                ours = accounts.get()
                server = network.Server(
                    http, directory, ours.jwk, issuer=self.name, verify=self._settings.verify, now=self._clock.now
                )
                address = ours.address
                if register or not address:
                    address = account.register(server, self._settings)
                    accounts.registered(ours, address)
            server.use_account(address)
            text = order.Ordering(server, self._settings, self._clock, request, checkpoint).certificate(resume)
        return read_issued(text, f"{self.name}: the CA")

    def suggestion(self, certificate: Certificate) -> Suggestion | None:
        """The CA's wish (RFC 9773); a window without length where its answer makes no sense: ask again in six hours.

        None where there is nothing to ask: no ARI, an expired certificate, or one without a key id of its CA.

        Raises:
            IssueError: the CA cannot be asked right now. Asked for the next certificate within a minute, this says so
                at once, so that a dead CA does not hold up a look at a thousand certificates.
        """
        identity, now = certificate_id(certificate), self._clock.now()
        if identity is None or certificate.not_after <= now:
            return None
        if self._clock.monotonic() < self._unreachable_until:
            raise IssueError(f"{self.name}: renewal information cannot be had; the CA did not answer a moment ago")
        try:
            with self._session() as http:
                base = self._offered(http).renewal_info
                answer = http.get(f"{base.rstrip('/')}/{identity}") if base else None
        except requests.RequestException as error:
            self._unreachable_until = self._clock.monotonic() + ARI_PAUSE.total_seconds()
            raise IssueError(f"{self.name}: renewal information cannot be had: {explain(error)}") from error
        except IssueError:
            self._unreachable_until = self._clock.monotonic() + ARI_PAUSE.total_seconds()
            raise
        return None if answer is None else self._suggested(answer)

    def _suggested(self, answer: requests.Response) -> Suggestion:
        now = self._clock.now()
        busy = answer.status_code == requests.codes.too_many_requests
        if busy or answer.status_code >= requests.codes.internal_server_error:
            self._unreachable_until = self._clock.monotonic() + ARI_PAUSE.total_seconds()
            raise IssueError(f"{self.name}: asked for renewal information, the CA says status {answer.status_code}")
        if not answer.ok:  # such as 404 for the certificate of another CA
            return nothing(now)
        return read_suggestion(answer.content, answer.headers.get("Retry-After"), now)

    @property
    def caa_domains(self) -> tuple[str, ...]:
        """What CAA records call this CA: by its well-known name, else as its directory said when last asked."""
        known = self._directory
        return caa_domains(self._settings.directory_url) or (known[0].caa_identities if known else ())

    def roots(self) -> tuple[Certificate, ...]:
        """The roots of the settings' `roots` file; none without it: those of public CAs are in the system's store."""
        path = self._settings.roots
        if path is None:
            return ()
        try:
            return read_certificates(path.read_bytes())
        except OSError as error:
            raise IssueError(f"{self.name}: the roots in {path} cannot be read: {error.strerror}") from error
        except PemError as error:
            raise IssueError(f"{self.name}: the roots in {path} cannot be used: {error}", permanent=True) from error

    def preflight(self, request: PreflightRequest) -> tuple[Check, ...]:
        """What would stop the next order: names, settings, the directory, or the place of the challenges."""
        from rotator.issuers.acme.account import why_not_registered

        problems = [problem for problem in (_unprovable(request.names),) if problem]
        try:
            with self._session() as http:
                directory = self._offered(http)
            problems += [problem for problem in (why_not_registered(directory, self._settings),) if problem]
            with showing(self._settings.http01, {"preflight": ""}, self.name):
                pass
        except IssueError as error:
            problems.append(str(error).removeprefix(f"{self.name}: "))
        return tuple(Check("acme", f"{self.name}: {problem}") for problem in problems)

    def _session(self) -> requests.Session:
        return session(
            total_seconds=REQUEST_SECONDS, verify=self._settings.verify, clock_monotonic=self._clock.monotonic
        )

    def _offered(self, http: requests.Session) -> Directory:
        """The directory, asked for at most once an hour."""
        known, now = self._directory, self._clock.monotonic()
        if known is None or now - known[1] > DIRECTORY_FRESH.total_seconds():
            known = fetch_directory(http, self._settings.directory_url, self.name), now
            self._directory = known
        return known[0]


def _unprovable(names: tuple[str, ...]) -> str:
    """Why names cannot be proved over HTTP (Baseline Requirements, 3.2.2.4.19); empty when they can."""
    wild = [name for name in names if name.startswith("*.")]
    other = [name for name in names if "://" in name]
    if wild:
        return f"{', '.join(wild)} cannot be proved over HTTP; name the hosts one by one, or use another issuer"
    if other:
        return f"{', '.join(other)} is no host name or address; ACME orders nothing else"
    return ""
