"""What the Kubernetes API refused, or did not answer, as one sentence that names the missing right."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from rotator.lib.kube.resources import Resource

SHOWN = 300
"""Characters of the API server's own words that are passed on."""

_RBAC = re.compile(r'User "([^"]+)" cannot ')
_UNCERTAIN = frozenset({500, 502, 503, 504})


class KubeError(Exception):
    """A call that did not do what was asked.

    Attributes:
        status: the HTTP status; 0 when there was no answer.
        retry_after: seconds that the API server asked to wait.
        uncertain: the call may have been carried out all the same: look again before deciding anything.
        passes: the same call may succeed in a moment.
        continue_with: where an expired list may be continued (a 410 names it).
        too_large: there is more in the answer than is read.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        retry_after: float | None = None,
        uncertain: bool = False,
        passes: bool = False,
        continue_with: str = "",
        too_large: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.uncertain = uncertain
        self.passes = passes
        self.continue_with = continue_with
        self.too_large = too_large


@dataclass(frozen=True, slots=True)
class Call:
    """One call in the words of RBAC; `verb` is `get`, `list`, `create`, `patch`, `update` or `delete`."""

    verb: str
    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def path(self) -> str:
        below = f"/{self.subresource}" if self.subresource else ""
        return self.resource.path(self.namespace, self.name) + below

    @property
    def changes(self) -> bool:
        return self.verb not in {"get", "list"}

    def __str__(self) -> str:
        where = f" in namespace {self.namespace}" if self.namespace else ""
        which = f" {self.name}" if self.name else ""
        below = f"/{self.subresource}" if self.subresource else ""
        return f"{self.verb} {self.resource}{below}{which}{where}"


class _StatusMetadata(msgspec.Struct):
    continue_with: str = msgspec.field(name="continue", default="")


class _Status(msgspec.Struct):
    """The API server's `Status` object, as far as it is read."""

    message: str = ""
    reason: str = ""
    metadata: _StatusMetadata = msgspec.field(default_factory=_StatusMetadata)


def refused(call: Call, server: str, status: int, headers: Mapping[str, str], body: bytes) -> KubeError:
    """Translate an answer that is no success."""
    try:
        said = msgspec.json.decode(body, type=_Status)
    except msgspec.MsgspecError:
        said = _Status()
    return KubeError(
        _sentence(call, server, status, said.message),
        status=status,
        retry_after=_seconds(headers.get("Retry-After")),
        uncertain=call.changes and status in _UNCERTAIN,
        passes=status == 429 or status in _UNCERTAIN,
        continue_with=said.metadata.continue_with,
    )


def _sentence(call: Call, server: str, status: int, said: str) -> str:
    words = " ".join(said.split())[:SHOWN]
    if status == 401:
        return f"the Kubernetes API at {server} does not accept our credentials; renew the token or kubeconfig"
    if status == 403:
        user = _RBAC.search(said)
        if user:
            where = "there" if call.namespace or call.name else "by a ClusterRole"
            return f"may not {call}; grant {user.group(1)} the verb `{call.verb}` on {call.resource} {where}"
        return f"the Kubernetes API refuses to {call}: {words}"
    if status == 404:
        return f"the Kubernetes API knows no such object: {call}" + (f" ({words})" if words else "")
    if status == 409:
        return f"a conflict at the Kubernetes API: {call}: {words}"
    if status == 429:
        return f"the Kubernetes API at {server} is busy (429): {call}; it will be tried again"
    return f"the Kubernetes API at {server} answers {status} to {call}" + (f": {words}" if words else "")


def _seconds(value: str | None) -> float | None:
    """`Retry-After` as the API server writes it: whole seconds."""
    return float(value) if value and value.isascii() and value.isdigit() else None
