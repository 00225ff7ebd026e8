"""An object of the cluster that asks for a signature, from its making to its end: found again after a crash, followed,
and cleared away.

The object's name follows from what it asks for and is kept before the object is made. With its uid in the checkpoint,
one that was deleted, or made anew under the same name, is not taken for the one that was waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from msgspec import Struct

from rotator.errors import IssueError
from rotator.lib.clock import Clock
from rotator.lib.kube.cluster import Cluster
from rotator.lib.kube.errors import Call, KubeError
from rotator.lib.kube.installation import INSTALLATION, label_value
from rotator.lib.kube.issuing import ISSUER, OURS, Token, read_token
from rotator.lib.kube.resources import Resource

_KEPT = timedelta(hours=1)
"""How long an object stays after its end, as Kubernetes keeps its own kind: whoever waited for it, maybe for days until
a person approved it, comes back to read the answer."""

_FORGOTTEN = timedelta(days=7)
"""How long one that nobody has answered stays; Kubernetes itself keeps its own kind for a day."""


_ANSWERS = frozenset({"status", "approval"})


class OwnedBy(Struct):
    uid: str = ""


class _Written(Struct):
    """Who wrote which part of an object when (`managedFields`, kept by the API server)."""

    subresource: str = ""
    time: datetime | None = None


class AskingMetadata(Struct, rename="camel"):
    """What of an object's metadata is read."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    creation_timestamp: datetime | None = None
    owner_references: list[OwnedBy] | None = None
    labels: dict[str, str] | None = None
    managed_fields: list[_Written] | None = None

    @property
    def owners(self) -> frozenset[str]:
        """The uids of the objects that it belongs to."""
        return frozenset(each.uid for each in self.owner_references or ())

    @property
    def answered_at(self) -> datetime | None:
        """When anybody last wrote its status, which is where approvals stand as well; else when it was made.

        For conditions that do not say their time: the API asks for none (`lastTransitionTime` is optional).
        """
        written = (each.time for each in self.managed_fields or () if each.subresource in _ANSWERS)
        return max((at for at in written if at is not None), default=self.creation_timestamp)


class AskingObject(Protocol):
    """What the objects of every such API have in common."""

    @property
    def metadata(self) -> AskingMetadata: ...

    @property
    def is_finished(self) -> bool:
        """Whether nothing will happen to it any more."""
        ...

    @property
    def changed_at(self) -> datetime | None:
        """When its last condition changed."""
        ...

    @property
    def request(self) -> bytes:
        """The CSR in it."""
        ...

    @property
    def asked(self) -> object:
        """Everything that is asked for: the CSR, of whom, for what use, for how long."""
        ...


T = TypeVar("T", bound=AskingObject)


@dataclass(frozen=True, slots=True)
class Asking(Generic[T]):
    """The objects of one issuer.

    Attributes:
        issuer: its name, which errors begin with and objects are labelled with.
        installation: which rotator's, which objects are labelled with; another one's issuer may have the same name.
        word: what one is called in sentences.
        command: what kubectl calls it.
    """

    cluster: Cluster
    clock: Clock
    issuer: str
    installation: str
    resource: Resource
    namespace: str
    kind: type[T]
    word: str
    command: str

    def call(self, verb: str, name: str = "", subresource: str = "") -> Call:
        return Call(verb, self.resource, self.namespace, name, subresource)

    def found(
        self,
        name: str,
        csr: bytes,
        wanted: Mapping[str, Any],
        *,
        resume: str | None,
        checkpoint: Callable[[str], None],
    ) -> T:
        """The object of this name: the one that the token speaks of, or a new one, made as `wanted` says.

        Raises:
            IssueError: the one that the token speaks of is gone, or somebody else's has its name.
            KubeError: refused, or the outcome is not known; the token leads back to it.
        """
        token = read_token(resume, name)
        if token is not None and token.uid:
            return self._made_before(token)
        standing = self._standing(name, csr, wanted, over=token is None)
        if token is None:
            self._clear()
            checkpoint(Token(name).written())
        if standing is None:
            standing = self.cluster.made(self.call("create"), wanted, self.kind)
        checkpoint(Token(name, standing.metadata.uid).written())
        return standing

    def _made_before(self, token: Token) -> T:
        """The very object that we made: what an admission policy made of its settings makes it nobody else's."""
        found = self.cluster.get(self.call("get", token.name), self.kind)
        if found is None or found.metadata.uid != token.uid:
            raise IssueError(
                f"{self.issuer}: the {self.word} {token.name} is gone: it was deleted, as those are that nobody "
                "answers for a while; the next try makes a new one"
            )
        return found

    def again(self, found: T) -> T:
        """The object as it is now.

        Raises:
            IssueError: it is gone.
            KubeError: it could not be read.
        """
        name = found.metadata.name
        now = self.cluster.get(self.call("get", name), self.kind)
        if now is None or now.metadata.uid != found.metadata.uid:
            raise IssueError(f"{self.issuer}: the {self.word} {name} was deleted while it was waited for")
        return now

    def labels(self) -> dict[str, str]:
        """What says on an object whose it is."""
        return {OURS: "rotator", ISSUER: label_value(self.issuer), INSTALLATION: self.installation}

    def _standing(self, name: str, csr: bytes, wanted: Mapping[str, Any], *, over: bool) -> T | None:
        """The object of this name that asks for just this, where there is one.

        Args:
            over: whatever was asked before has ended, so that a finished one answered an earlier try.
        """
        found = self.cluster.get(self.call("get", name), self.kind)
        if found is None:
            return None
        alike = found.asked == msgspec.convert(wanted, self.kind).asked
        if found.request != csr or not (alike or self._is_ours(found)):
            where = f" -n {self.namespace}" if self.namespace else ""
            raise IssueError(
                f"{self.issuer}: a {self.word} {name} is there that is not ours; find out who made it, then: "
                f"kubectl delete {self.command}{where} {name}",
                permanent=True,
            )
        if not alike or (over and found.is_finished):
            self._delete(found)
            return None
        return found

    def _is_ours(self, found: T) -> bool:
        return self.labels().items() <= (found.metadata.labels or {}).items()

    def _clear(self) -> None:
        """Delete what our earlier orders left; what does not say that it is ours, or may not be deleted, stays."""
        selector = {"labelSelector": ",".join(f"{key}={value}" for key, value in self.labels().items())}
        now = self.clock.now()
        try:
            for page in self.cluster.pages(self.call("list"), self.kind, params=selector):
                for each in page:
                    made = each.metadata.creation_timestamp or now
                    since = max(made, each.changed_at or made)
                    if now - since > (_KEPT if each.is_finished else _FORGOTTEN):
                        self._delete(each)
        except KubeError as error:
            self.cluster.transport.say_once(f"finished objects of kind {self.word} are left where they are", str(error))

    def _delete(self, found: T) -> None:
        self.cluster.delete(self.call("delete", found.metadata.name), found.metadata.uid)
