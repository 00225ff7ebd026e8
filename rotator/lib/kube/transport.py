"""One request to one cluster: credentials and TLS as the official client loads them, its urllib3 pool as transport.

The client's typed objects are not used: they cost twice the time and memory of raw JSON. Importing the client takes a
second, so it is imported when a cluster is really called.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NewConnectionError,
    ProxyError,
    SSLError,
    TimeoutError,
)

from rotator.core.model import Endpoint
from rotator.lib import plainfile
from rotator.lib.http import tell_date
from rotator.lib.kube.errors import Call, KubeError, refused
from rotator.lib.peers import https_peers
from rotator.log import logger

log = logger(__name__)

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
TOTAL_SECONDS = 90.0
MAX_BYTES = 64 << 20
"""More than 500 ordinary TLS Secrets take by far; bounds what one page may cost."""

UNREACHABLE_SECONDS = 5.0
"""How long a cluster that could not be reached is not tried again: a thousand places must not each wait for it."""

# What a missing right costs, as it is logged.
ENDPOINTS_UNKNOWN = "some of the endpoints that serve a Secret are not known"
IGNORE_UNSEEN = "rotator/ignore on a namespace is not seen"

OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"

_METHODS = {"create": "POST", "patch": "PATCH", "update": "PUT", "delete": "DELETE"}
_NEVER_SENT = (NewConnectionError, ConnectTimeoutError, SSLError, ProxyError, LocationValueError)


@dataclass(frozen=True, slots=True)
class Access:
    """Which cluster, as whom: a kubeconfig and a context in it; both empty: the pod's own, else kubectl's default."""

    kubeconfig: str = ""
    context: str = ""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """Credentials as they were loaded at one time."""

    configuration: Any
    pool: urllib3.PoolManager
    namespace: str


class Transport:
    """The connections to one cluster, shared by everything in the process that uses the same access."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None
        self._unreachable: tuple[float, str] | None = None
        self.identity = ""
        self._said: set[str] = set()

    @property
    def server(self) -> str:
        """Host and port of the API server.

        Raises:
            KubeError: there are no credentials.
        """
        parts = urlsplit(self._current().configuration.host)
        return str(parts.netloc or parts.path)

    @property
    def peers(self) -> tuple[Endpoint, ...]:
        """The API server as a TLS server; none where there are no credentials that would name it."""
        try:
            return https_peers([str(self._current().configuration.host)])
        except KubeError:
            return ()

    @property
    def namespace(self) -> str:
        """The pod's own namespace, or the kubeconfig context's, else `default`."""
        return self._current().namespace

    def say_once(self, event: str, why: str) -> None:
        """Log a missing right that costs knowledge but nothing else: once for this access, not at every look."""
        if why not in self._said:
            self._said.add(why)
            log.warning(event, why=why)

    def send(
        self,
        call: Call,
        monotonic: Callable[[], float],
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> bytes:
        """Send one request; return the body of a success.

        Raises:
            KubeError: refused, unreachable, or no answer in time.
        """
        self._fail_fast(monotonic)
        loaded = self._current()
        try:
            return self._send(loaded, call, monotonic, params, body)
        except KubeError as error:
            if error.status != 401:
                raise
        # A kubeconfig or its client certificate was renewed meanwhile: load it again, once.
        return self._send(self._reloaded(loaded), call, monotonic, params, body)

    def _fail_fast(self, monotonic: Callable[[], float]) -> None:
        unreachable = self._unreachable
        if unreachable and 0 <= monotonic() - unreachable[0] < UNREACHABLE_SECONDS:
            raise KubeError(unreachable[1])

    def _send(
        self,
        loaded: _Loaded,
        call: Call,
        monotonic: Callable[[], float],
        params: Mapping[str, str] | None,
        body: bytes | None,
    ) -> bytes:
        url = loaded.configuration.host.rstrip("/") + call.path + (f"?{urlencode(params)}" if params else "")
        method = _METHODS.get(call.verb, "GET")
        headers = {"Accept": JSON, "User-Agent": "rotator", **_authorization(loaded.configuration)}
        if body is not None:
            headers["Content-Type"] = MERGE_PATCH if call.verb == "patch" else JSON
        began = monotonic()
        try:
            answer = loaded.pool.urlopen(
                method,
                url,
                headers=headers,
                body=body,
                preload_content=False,
                redirect=False,
                retries=False,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            )
            try:
                content = _read(answer, call, lambda: monotonic() - began)
            finally:
                answer.release_conn()
        except (HTTPError, OSError) as error:
            raise self._unanswered(call, error, monotonic()) from error
        self._unreachable = None
        if loaded.configuration.verify_ssl:
            tell_date(url, answer.headers, monotonic() - began)
        if 200 <= answer.status < 300:
            return content
        raise refused(call, self.server, answer.status, answer.headers, content)

    def _unanswered(self, call: Call, error: Exception, now: float) -> KubeError:
        why = _clause(error)
        if isinstance(error, _NEVER_SENT):
            sentence = f"the Kubernetes API at {self.server} cannot be reached: {why}"
            self._unreachable = (now, sentence)
            if isinstance(error, SSLError):
                self._loaded = None  # the CA bundle may have been renewed: load it again at the next call
            return KubeError(sentence)
        sentence = f"no answer from the Kubernetes API at {self.server} to {call}: {why}"
        return KubeError(sentence, uncertain=call.changes, passes=not isinstance(error, TimeoutError))

    def _current(self) -> _Loaded:
        with self._lock:
            if self._loaded is None:
                self._loaded = _load(self._access)
            return self._loaded

    def _reloaded(self, stale: _Loaded) -> _Loaded:
        with self._lock:
            if self._loaded is stale or self._loaded is None:
                self._loaded = _load(self._access)
            return self._loaded


@cache
def transport(access: Access) -> Transport:
    """The process's one transport for an access: loading credentials for each of a thousand targets would be waste."""
    return Transport(access)


def _read(answer: urllib3.BaseHTTPResponse, call: Call, elapsed: Callable[[], float]) -> bytes:
    pieces: list[bytes] = []
    size = 0
    for piece in answer.stream(1 << 16):
        size += len(piece)
        if size > MAX_BYTES:
            answer.close()
            raise KubeError(
                f"the answer to {call} is larger than {MAX_BYTES >> 20} MiB; set a smaller `page_size`", too_large=True
            )
        if elapsed() > TOTAL_SECONDS:
            answer.close()
            raise KubeError(f"the answer to {call} takes longer than {TOTAL_SECONDS:g} s", uncertain=call.changes)
        pieces.append(piece)
    return b"".join(pieces)


def _clause(error: Exception) -> str:
    """The innermost cause, without the names of connection objects that urllib3 wraps around it."""
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        inner = cause.__cause__ or cause.__context__
        assert inner is not None
        cause = inner
    return str(cause) or type(cause).__name__


def _authorization(configuration: Any) -> dict[str, str]:
    """The bearer token, read anew where the credentials say how (a projected token, an exec plug-in)."""
    setting = configuration.auth_settings().get("BearerToken")
    return {"Authorization": setting["value"]} if setting and setting["value"] else {}


def _load(access: Access) -> _Loaded:
    from kubernetes import client, config

    configuration = client.Configuration()
    try:
        if in_cluster(access):
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # the client's own
            namespace = OWN_NAMESPACE.read_text(encoding="utf-8").strip() if OWN_NAMESPACE.exists() else ""
        else:
            _regular(access)
            where = {"config_file": access.kubeconfig or None, "context": access.context or None}
            config.load_kube_config(**where, client_configuration=configuration)  # type: ignore[no-untyped-call]  # as above
            namespace = _context_namespace(config, access)
        pool = client.ApiClient(configuration).rest_client.pool_manager
    except Exception as error:  # whatever YAML, TLS and exec plug-ins raise
        raise KubeError(_unusable(access, error)) from error
    return _Loaded(configuration, pool, namespace or "default")


def _regular(access: Access) -> None:
    """The client would wait for whoever writes to a pipe, and pass over what is not there.

    Raises:
        Unfit: one is a pipe, a device or a folder.
        OSError: one cannot be read.
    """
    for name in (access.kubeconfig or os.environ.get("KUBECONFIG", "")).split(os.pathsep):
        path = os.path.expanduser(name)  # noqa: PTH111 - Path raises for a user that there is not
        if os.path.exists(path):  # noqa: PTH110 - as above
            plainfile.probe(path)


def _unusable(access: Access, error: Exception) -> str:
    """Why there is no cluster to talk to, in words; a context that does not exist is told with those that do."""
    from kubernetes import config

    if access.context and not isinstance(error, plainfile.Unfit):
        try:
            contexts, _ = config.list_kube_config_contexts(config_file=access.kubeconfig or None)  # type: ignore[no-untyped-call]  # theirs
        except Exception:  # noqa: BLE001 - the error at hand says more than another one about the same file
            contexts = []
        names = sorted(str(each["name"]) for each in contexts)
        if names and access.context not in names:
            return f"the kubeconfig has no context {access.context!r}; it has {', '.join(names)}"
    place = f"kubeconfig {access.kubeconfig}" if access.kubeconfig else "Kubernetes credentials"
    said = str(error).splitlines()[0].strip("'") if str(error) else repr(error)
    if "No configuration found" in said and not access.kubeconfig:
        return "there is no kubeconfig here; name one by KUBECONFIG, or run in a pod"
    return f"the {place} cannot be used: {said}"


def in_cluster(access: Access) -> bool:
    """Whether it is the pod's own cluster, by its service account."""
    named = access.kubeconfig or access.context or os.environ.get("KUBECONFIG")
    return not named and "KUBERNETES_SERVICE_HOST" in os.environ


def _context_namespace(config: Any, access: Access) -> str:
    contexts, active = config.list_kube_config_contexts(config_file=access.kubeconfig or None)
    chosen = next((each for each in contexts if each["name"] == access.context), active)
    return str(chosen.get("context", {}).get("namespace") or "")
