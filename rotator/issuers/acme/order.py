"""One order (RFC 8555, 7.4), from the request or from a checkpoint to the certificate.

Where an order stands is the CA's knowledge: each step begins with what the CA says of it, so an order that was left at
any point is taken up there. Nothing is ordered while the order of the checkpoint can still lead to a certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import requests
from acme import messages
from cryptography import x509
from josepy.json_util import field

from rotator.core.model import Certificate, IssueRequest
from rotator.errors import IssueError, Pending
from rotator.issuers.acme.ari import certificate_id
from rotator.issuers.acme.chains import download
from rotator.issuers.acme.checks import why_not_offered
from rotator.issuers.acme.choosing import Solvers, by_solver
from rotator.issuers.acme.errors import Refused, Unreachable, order_failure, validation_failure
from rotator.issuers.acme.network import Server
from rotator.issuers.acme.patience import Patience
from rotator.issuers.acme.resources import (
    INVALID,
    PENDING,
    READY,
    VALID,
    Authorization,
    Checkpoint,
    Order,
    csr_digest,
)
from rotator.issuers.acme.settings import AcmeSettings, read_roots
from rotator.issuers.acme.tasks import Task, identifier, not_ordered, task_of
from rotator.lib.trust import system_roots
from rotator.ports import Clock

# Answers to an order that may come from its `replaces` alone: done before (409), or a certificate that this CA or this
# account does not know, as most adopted ones; where it should be in its books and is not, Pebble says serverInternal.
_OF_REPLACES = frozenset({"alreadyReplaced", "malformed", "serverInternal", "unauthorized"})


class _NewOrder(messages.NewOrder):
    """A new order that says which certificate it succeeds (RFC 9773, 5)."""

    replaces: str | None = field("replaces", omitempty=True)


class Ordering:
    """The way from a request to its certificate, once."""

    def __init__(
        self,
        server: Server,
        settings: AcmeSettings,
        solvers: Solvers,
        clock: Clock,
        request: IssueRequest,
        checkpoint: Callable[[str], None],
    ) -> None:
        self._server = server
        self._settings = settings
        self._solvers = solvers
        self._clock = clock
        self._request = request
        self._checkpoint = checkpoint
        self._patience = Patience(clock, settings.patience, server.issuer)
        self._kept: Checkpoint | None = None
        self._url = ""
        self._answer: requests.Response | None = None
        self._outage: IssueError | None = None

    def certificate(self, resume: str | None) -> bytes:
        """The chain as the CA sends it.

        Raises:
            Pending: the CA has not finished within our patience.
            IssueError: it refuses, or cannot be asked; `resumable` where the order outlives that.
        """
        try:
            return self._chain(resume)
        except (Refused, Unreachable) as error:
            error.resumable = error.is_outage and self._kept is not None
            raise

    def _chain(self, resume: str | None) -> bytes:
        order = self._taken_up(resume) or self._ordered()
        finalized = False
        while True:
            if order.status == VALID and order.certificate:
                return download(self._server, order.certificate, self._settings.preferred_root, self._known_roots)
            if order.status == INVALID:
                raise self._failed(order)
            if order.status == PENDING and (unproved := self._pending(order.authorizations)):
                self._prove(unproved)
                order = self._look()
            elif order.status == READY and not finalized:
                order = self._finalize(order)
                finalized = True
            else:
                self._pause()
                finalized = False
                order = self._look()

    def _known_roots(self) -> tuple[Certificate, ...]:
        """Where a root is looked for that is wanted by its fingerprint."""
        return (*read_roots(self._settings.roots, self._server.issuer), *system_roots())

    # ------------------------------------------------------------ the order

    def _taken_up(self, resume: str | None) -> Order | None:
        """The order of the checkpoint as it stands now; None without a checkpoint for this request.

        One that cannot end well any more is said aloud, so that it counts as a failure and the next one as an order of
        its own: a CA that always loses or ends them would otherwise be sent a new one at every visit, uncounted.

        Raises:
            IssueError: it has failed, has ended, or is gone.
        """
        kept = Checkpoint.read(resume)
        if kept is None or kept.csr != csr_digest(self._request.csr):
            return None
        if (kept.directory, kept.account) != (self._server.directory.url, self._server.account):
            raise self._lost("was placed by another account or at another CA")
        self._kept, self._url = kept, kept.order
        try:
            order = self._look()
        except Refused as error:
            if error.is_gone:
                raise self._lost("is gone") from error
            raise
        if order.status == INVALID:
            raise self._failed(order)
        if order.is_over(self._clock.now()):
            raise self._lost("has ended before it was finished")
        if self._has_failed(order):
            raise self._lost("waits for a name that cannot be proved any more")
        return order

    def _lost(self, how: str) -> IssueError:
        return IssueError(f"{self._server.issuer}: the order in flight {how}; the next try orders anew")

    def _has_failed(self, order: Order) -> bool:
        """One of its authorizations cannot become valid any more, though the CA has not ended the order yet."""
        if order.status != PENDING:
            return False
        return any(self._authorization(url).has_failed for url in order.authorizations)

    def _ordered(self) -> Order:
        """A new order, checkpointed the moment it exists."""
        replaces = self._replaced()
        try:
            answer = self._send_order(replaces)
        except Refused as error:
            if not replaces or (error.code not in _OF_REPLACES and not error.is_gone and error.status != 409):
                raise
            replaces = None
            answer = self._send_order(None)
        self._url = answer.headers.get("Location", "")
        order = self._read(answer)
        if not self._url or not order.finalize:
            raise IssueError(f"{self._server.issuer}: the CA took the order, but does not say where it is")
        self._kept = Checkpoint(
            directory=self._server.directory.url,
            account=self._server.account,
            csr=csr_digest(self._request.csr),
            order=self._url,
            finalize=order.finalize,
            authorizations=order.authorizations,
            replaces=replaces or "",
        )
        self._checkpoint(self._kept.token)
        return order

    def _send_order(self, replaces: str | None) -> requests.Response:
        identifiers = [identifier(name) for name in self._request.names]
        order = _NewOrder(identifiers=identifiers, profile=self._profile(), replaces=replaces)
        return self._server.post(self._server.directory.new_order, order)

    def _replaced(self) -> str | None:
        replaces = self._request.replaces
        return certificate_id(replaces) if replaces and self._server.directory.renewal_info else None

    def _profile(self) -> str:
        profile = self._request.profile or self._settings.profile
        if problem := why_not_offered(self._server.directory, profile):
            raise IssueError(f"{self._server.issuer}: {problem}", permanent=True)
        return profile

    def _look(self) -> Order:
        return self._read(self._server.post(self._url, None))

    def _read(self, answer: requests.Response) -> Order:
        self._answer = answer
        return Order.read(self._server.resource(answer))

    def _finalize(self, order: Order) -> Order:
        """Send the request of the certificate (RFC 8555, 7.4). An order that is not ready yet stays as it was."""
        csr = messages.CertificateRequest(csr=x509.load_pem_x509_csr(self._request.csr))
        try:
            answer = self._server.post(order.finalize, csr)
        except Refused as error:
            if error.code != "orderNotReady":
                raise
            return self._look()
        if self._kept is not None:
            self._checkpoint(replace(self._kept, finalized=True).token)
        return self._read(answer)

    def _failed(self, order: Order) -> IssueError:
        """Why an order became invalid: its own error, or that of the authorization that failed."""
        if not order.error:
            self._pending(order.authorizations)
        return order_failure(order.error, self._server.issuer)

    # ------------------------------------------------------------ its authorizations

    def _pending(self, urls: Iterable[str]) -> list[Authorization]:
        """The authorizations that still wait for a proof, or for the CA to look at it.

        Raises:
            IssueError: some of them have failed; all that have by now are named.
        """
        found = [self._authorization(url) for url in urls]
        if failed := [(each.name, each.error) for each in found if each.has_failed]:
            raise validation_failure(failed, self._server.issuer)
        return [each for each in found if each.status == PENDING]

    def _authorization(self, url: str) -> Authorization:
        self._answer = self._server.post(url, None)
        return Authorization.read(self._server.resource(self._answer), url)

    def _prove(self, unproved: list[Authorization]) -> None:
        """Show all proofs, have the CA look at them, and take them away again whatever comes of it."""
        tasks = self._tasks(unproved)
        waiting = [each.url for each in unproved]
        with self._showing(tasks):
            for task in tasks:
                if task.is_new:  # one that the CA is looking at already must not be answered again
                    with self._outlasting():
                        self._tell(task)
            while waiting:
                self._pause()
                with self._outlasting():
                    waiting = [each.url for each in self._pending(waiting)]

    def _tell(self, task: Task) -> None:
        """Say that the CA may look. Another order that shares the authorization may just have said so: then the CA is
        looking, or has looked, and refuses to hear it again."""
        try:
            self._server.post(task.url, task.challenge.response(self._server.key))
        except Refused as error:
            if error.is_outage or task.is_asked_of(self._authorization(task.authorization)):
                raise

    @contextmanager
    def _showing(self, tasks: Sequence[Task]) -> Iterator[None]:
        """All proofs shown, by whichever solvers; the time that takes is not the CA's."""
        began = self._clock.monotonic()
        with ExitStack() as stack:
            for solver, group in by_solver(tasks, lambda task: task.solver):
                stack.enter_context(solver.showing([task.proof(self._server.key) for task in group]))
            self._patience.excuse(self._clock.monotonic() - began)
            yield

    def _tasks(self, unproved: Iterable[Authorization]) -> list[Task]:
        """What has to be shown by whom.

        Raises:
            IssueError: the CA takes nothing for some names that is configured for them; all of them are named.
        """
        asked = list(unproved)
        if (strange := not_ordered(asked, self._request.names)) is not None:
            raise IssueError(f"{self._server.issuer}: the CA wants {strange!r} to be proved, which was not ordered")
        found = [task_of(each, self._solvers, self._server.issuer) for each in asked]
        if problems := [each for each in found if isinstance(each, str)]:
            raise IssueError(f"{self._server.issuer}: {'; '.join(problems)}", permanent=True)
        return [each for each in found if isinstance(each, Task)]

    @contextmanager
    def _outlasting(self) -> Iterator[None]:
        """Let an outage pass while proofs are shown, as long as our patience lasts.

        The CA may have heard us and be looking now: to hide the proof would cost the whole order. If it did not hear
        us, the order is left pending and the next attempt says it again.
        """
        self._outage = None
        try:
            yield
        except Unreachable as error:
            self._outage = error
        except Refused as error:
            if not error.is_outage:
                raise
            self._outage = error

    def _pause(self) -> None:
        """Wait for the next look; when there is no time left, an outage that still lasts is the reason."""
        try:
            self._patience.pause(self._answer, named=self._outage.retry_after if self._outage else None)
        except Pending:
            if self._outage is not None:
                raise self._outage from None
            raise
