"""The ACME issuer: certificates by order, with renewal information (ARI) where the CA has it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

import requests

from rotator.core.model import (
    Certificate,
    Chain,
    Check,
    Endpoint,
    IssuerAccount,
    IssueRequest,
    PreflightRequest,
    RevocationReason,
    Suggestion,
)
from rotator.errors import IssueError
from rotator.issuers.acme.ari import certificate_id, nothing, read_suggestion
from rotator.issuers.acme.choosing import Solvers
from rotator.issuers.acme.directory import Directory, fetch_directory, left_tls, place_of
from rotator.issuers.acme.dns01.apis import api_peers
from rotator.issuers.acme.errors import Refused
from rotator.issuers.acme.outage import Outage
from rotator.issuers.acme.presets import PRESETS
from rotator.issuers.acme.settings import AcmeSettings, read_roots
from rotator.issuers.acme.solver import Desk
from rotator.issuers.acme.traces import Traces
from rotator.lib.http import explain, session
from rotator.lib.issued import read_issued
from rotator.lib.retryafter import parse_retry_after
from rotator.log import logger
from rotator.ports import Clock, Keep
from rotator.settings import PluginSettings

if TYPE_CHECKING:
    from josepy.jwk import JWKEC

    from rotator.issuers.acme.network import Server
    from rotator.issuers.acme.upkeep import Upkeep

log = logger(__name__)

REQUEST_SECONDS = 30.0
DIRECTORY_FRESH = timedelta(hours=1)
ACCOUNT_FRESH = timedelta(minutes=1)


class _KeyChanged(IssueError):  # noqa: N818 - reads as what happened
    """Another process has given our account another key under an order: it goes on with that one, once."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(str(refused), retry_after=refused.retry_after)


class AcmeIssuer:
    """Orders from one ACME CA, as one account. May be used by several threads at once."""

    Settings: ClassVar[type[PluginSettings]] = AcmeSettings

    def __init__(self, name: str, settings: AcmeSettings, clock: Clock, keep: Keep) -> None:
        self.name = name
        self._settings = settings
        self._clock = clock
        self._keep = keep
        self._solvers = Solvers(settings, Desk(name, clock, Traces(keep, name, clock.now)))
        self._guard = threading.Lock()
        self._directory: tuple[Directory, float] | None = None
        self._outage = Outage(name, clock.monotonic)
        self._orders = 0
        self._seen: tuple[IssuerAccount, float] | None = None

    def issue(self, request: IssueRequest, *, resume: str | None, checkpoint: Callable[[str], None]) -> Chain:
        """Order, prove, finalize, download; or whatever of that the resumed order still needs.

        The lifetime is the CA's: `request.lifetime` cannot be asked for, a profile can.
        """
        if problem := self._solvers.objection(request.names):
            raise IssueError(f"{self.name}: {problem}", permanent=True)
        tokens = [resume]

        def kept(token: str) -> None:
            checkpoint(token)
            tokens.append(token)

        try:
            return self._issue(request, resume, kept)
        except _KeyChanged:
            return self._issue(request, tokens[-1], checkpoint)
        except Refused as error:
            if error.code != "accountDoesNotExist":
                raise
            if resume is not None:
                why = "the CA does not know our account any more, nor the order in flight; the next try registers again"
                raise IssueError(f"{self.name}: {why}") from error
        # The CA was rebuilt or dropped the account, and every order with it: register the same key again, once.
        return self._issue(request, None, checkpoint, register=True)

    def _issue(
        self, request: IssueRequest, resume: str | None, checkpoint: Callable[[str], None], *, register: bool = False
    ) -> Chain:
        from rotator.issuers.acme import order  # the acme package is slow to load

        with self._upkeep() as upkeep:
            with self._guard:  # two first orders at once must not make two accounts
                server = upkeep.ready(again=register)
                self._orders += 1
            try:
                ordering = order.Ordering(server, self._settings, self._solvers, self._clock, request, checkpoint)
                text = ordering.certificate(resume)
            except Refused as error:
                if upkeep.is_current(server):
                    raise
                raise _KeyChanged(error) from error
            finally:
                with self._guard:
                    self._orders -= 1
        return read_issued(text, f"{self.name}: the CA")

    def suggestion(self, certificate: Certificate) -> Suggestion | None:
        """The CA's wish (RFC 9773); a window without length where its answer makes no sense: ask again in six hours.

        None where there is nothing to ask: no ARI, an expired certificate, or one without a key id of its CA.

        Raises:
            IssueError: the CA cannot be asked right now; it is left alone for a while then, see `Outage`.
        """
        identity, now = certificate_id(certificate), self._clock.now()
        if identity is None or certificate.not_after <= now:
            return None
        if self._outage.pauses:
            raise IssueError(f"{self.name}: renewal information cannot be had; it could not be a moment ago")
        try:
            with self._session() as http:
                base = self._offered(http).renewal_info
                answer = http.get(f"{base.rstrip('/')}/{identity}") if base else None
        except requests.RequestException as error:
            self._outage.failed(explain(error))
            raise IssueError(f"{self.name}: renewal information cannot be had: {explain(error)}") from error
        except IssueError as error:
            self._outage.failed(str(error))
            raise
        if answer is None:
            self._outage.ended()
            return None
        return self._suggested(answer, identity)

    def _suggested(self, answer: requests.Response, identity: str) -> Suggestion:
        now = self._clock.now()
        busy = answer.status_code == requests.codes.too_many_requests
        if busy or answer.status_code >= requests.codes.internal_server_error:
            wished = parse_retry_after(answer.headers.get("Retry-After"), now) or timedelta(0)
            self._outage.failed(f"status {answer.status_code}", wished=wished)
            raise IssueError(f"{self.name}: asked for renewal information, the CA says status {answer.status_code}")
        self._outage.ended()
        if not answer.ok or left_tls(answer):
            # Another CA's certificate, as an adopted one may be; or we name certificates wrongly. Who knows where it
            # came from can tell them apart.
            log.debug(
                "no renewal information of a certificate", issuer=self.name, id=identity, status=answer.status_code
            )
            return nothing(now, f"status {answer.status_code}")
        return read_suggestion(answer.content, answer.headers.get("Retry-After"), now)

    def is_exempt(self, checkpoint: str) -> bool:
        """Whether the CA took the order of a token as a certificate's successor, which Let's Encrypt does not count."""
        from rotator.issuers.acme.resources import Checkpoint

        kept = Checkpoint.read(checkpoint)
        return kept is not None and bool(kept.replaces)

    @property
    def caa_domains(self) -> tuple[str, ...]:
        """What CAA records call this CA: by its well-known name, else as its directory said when last asked."""
        if self._settings.preset:
            return PRESETS[self._settings.preset].caa_domains
        return self._directory[0].caa_identities if self._directory else ()

    def roots(self) -> tuple[Certificate, ...]:
        """The roots of the settings' `roots` file; none without it: those of public CAs are in the system's store."""
        return read_roots(self._settings.roots, self.name)

    # ------------------------------------------------------------ our account

    def account(self) -> IssuerAccount:
        """As the CA has it now; makes none where there is none."""
        with self._upkeep() as upkeep:
            return upkeep.view()

    def update_account(self, *, agree_terms: bool, anew: bool) -> IssuerAccount:
        """Tell the CA our address and what we agree to; make the account where there is none."""
        with self._alone() as upkeep:
            return upkeep.update(agree_terms=agree_terms, anew=anew)

    def roll_account_key(self) -> IssuerAccount:
        """Give the account another key (RFC 8555, 7.3.5)."""
        with self._alone() as upkeep:
            return upkeep.roll()

    def deactivate_account(self) -> IssuerAccount:
        """End the account for ever (RFC 8555, 7.3.6)."""
        with self._alone() as upkeep:
            return upkeep.deactivate()

    @contextmanager
    def _alone(self) -> Iterator[Upkeep]:
        """Our account while no order is in flight, whose proofs are made with its key."""
        with self._upkeep() as upkeep, self._guard:
            self._seen = None
            if self._orders:
                raise IssueError(f"{self.name}: {self._orders} of its orders are in flight; ask again when they ended")
            yield upkeep

    @contextmanager
    def _upkeep(self) -> Iterator[Upkeep]:
        from rotator.issuers.acme import account, network, upkeep  # the acme package is slow to load

        with self._session() as http:
            directory = self._offered(http)

            def connect(key: JWKEC) -> Server:
                return network.Server(
                    http, directory, key, issuer=self.name, verify=self._settings.verify, now=self._clock.now
                )

            accounts = account.Accounts(self._keep, self._settings)
            yield upkeep.Upkeep(accounts, self._settings, directory, connect, self.name)

    def revoke(self, certificate: Certificate, reason: RevocationReason) -> None:
        """Revoke by our account, which ordered it or has proved its names (RFC 8555, 7.6)."""
        from rotator.issuers.acme.revoking import revoke

        with self._upkeep() as upkeep:
            revoke(upkeep.existing("nothing can be revoked by it"), certificate, reason)

    @property
    def peers(self) -> tuple[Endpoint, ...]:
        """The directory's server, those that it led to when it was last asked, and the DNS providers' APIs."""
        own = place_of(self._settings.directory_url)
        known = self._directory[0].places if self._directory else ()
        places = tuple(Endpoint(*place) for place in dict.fromkeys((own, *known)) if place is not None)
        ways = [each.dns01 for each in self._settings.solver_settings if each.dns01 is not None]
        return (*places, *(peer for way in ways for peer in api_peers(way)))

    # ------------------------------------------------------------ beforehand

    def preflight(self, request: PreflightRequest) -> tuple[Check, ...]:
        """What would stop the next order: names, directory, account, or the place of the challenges.

        The account is asked for anew: what is kept of it would hide that the CA has ended it.
        """
        problem = self._solvers.objection(request.names)
        names = Check(
            "names", f"{self.name}: {problem}" if problem else "", "configure a way to prove them" if problem else ""
        )
        return (names, *self._account_checks(request), *self._solvers.preflight(request.names))

    def _account_checks(self, request: PreflightRequest) -> tuple[Check, ...]:
        from rotator.issuers.acme.account import Accounts
        from rotator.issuers.acme.checks import DIRECTORY, account_checks

        try:
            with self._session() as http:
                directory = self._offered(http)
        except IssueError as error:
            remedy = "see whether the address is right and can be reached from here"
            return (Check(DIRECTORY, str(error), remedy),)
        kept = Accounts(self._keep, self._settings).peek()
        profile = request.profile or self._settings.profile
        return tuple(account_checks(self.name, self._settings, directory, kept, self._account_now, profile))

    def _account_now(self) -> IssuerAccount:
        """As the CA has it; of a look at a thousand certificates only the first asks."""
        known, now = self._seen, self._clock.monotonic()
        if known is None or now - known[1] > ACCOUNT_FRESH.total_seconds():
            known = self._seen = (self.account(), now)
        return known[0]

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
