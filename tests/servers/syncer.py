"""Play the kubelet: keep a folder like a Secret and tell the server that reads it.

The kubelet writes a new folder and swaps the symlink `..data` to it, so that a reader of `tls.crt` (a symlink to
`..data/tls.crt`) sees the old pair or the new one, never half of each.
"""

from __future__ import annotations

import base64
import contextlib
import shutil
import threading
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from tests.servers.kube import KubeServer
from tests.servers.service import wait_until

INTERVAL = 0.1
DATA = "..data"


def write_volume(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder the way the kubelet does."""
    folder.mkdir(parents=True, exist_ok=True)
    generation = folder / f"..{uuid.uuid4().hex}"
    generation.mkdir(mode=0o700)
    for name, content in files.items():
        (generation / name).write_bytes(content)
    before = folder.joinpath(DATA).readlink() if folder.joinpath(DATA).is_symlink() else None
    draft = folder / "..data_tmp"
    draft.unlink(missing_ok=True)
    draft.symlink_to(generation.name)
    draft.replace(folder / DATA)
    for name in files:
        with contextlib.suppress(FileExistsError):
            (folder / name).symlink_to(Path(DATA, name))
    if before is not None:
        shutil.rmtree(folder / before)


class Syncer:
    """Look at a Secret again and again; when it has changed, write its files and call `changed`.

    >>> with Syncer(kube_server, namespace, "shop-tls", tmp_path / "tls", nginx.reload) as syncer:
    ...     syncer.wait_for(resource_version)
    """

    def __init__(
        self,
        server: KubeServer,
        namespace: str,
        secret: str,
        folder: Path,
        changed: Callable[[], object] = lambda: None,
    ) -> None:
        self.folder = folder
        self._server = server
        self._path = f"/api/v1/namespaces/{namespace}/secrets/{secret}"
        self._changed = changed
        self._version = ""
        self._written: dict[str, bytes] = {}
        self._stopping = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=f"syncer {secret}")

    @property
    def version(self) -> str:
        """Return the `resourceVersion` that was last written; empty before the first."""
        return self._version

    @property
    def certificate(self) -> Path:
        """Return where `tls.crt` is."""
        return self.folder / "tls.crt"

    @property
    def key(self) -> Path:
        """Return where `tls.key` is."""
        return self.folder / "tls.key"

    def sync(self) -> None:
        """Look once."""
        answer = self._server.request("GET", self._path, timeout=10)
        if answer.status_code == requests.codes.not_found:
            return  # the kubelet leaves the files of a Secret that has gone
        answer.raise_for_status()
        found = answer.json()
        files = {name: base64.b64decode(content) for name, content in (found.get("data") or {}).items()}
        if files and files != self._written:
            write_volume(self.folder, files)
            self._written = files
            self._changed()
        self._version = found["metadata"]["resourceVersion"]

    def wait_for(self, version: str, *, seconds: float = 15.0) -> None:
        """Wait until this `resourceVersion` of the Secret has been written and `changed` has been called."""
        wait_until(lambda: self._version == version or self._error is not None, f"synced {version}", seconds=seconds)

    def start(self) -> None:
        """Look once, so that the files are there when this returns if the Secret exists, then go on looking."""
        self.sync()
        self._thread.start()

    def stop(self) -> None:
        """Stop looking; raise what went wrong, if anything did."""
        self._stopping.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while not self._stopping.wait(INTERVAL):
            try:
                self.sync()
            except requests.RequestException:
                continue  # the API server may be away; a kubelet tries again too
            except Exception as error:
                self._error = error
                return

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, without hiding the test's own failure."""
        try:
            self.stop()
        except Exception:
            if error is None:
                raise
