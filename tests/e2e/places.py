"""The five kinds of places of the matrix, each with a real nginx that serves from it.

A fleet has two certificates of one kind, `due` and `fine`. Nothing in its config names the endpoint of a place that can
be adopted: rotator finds them by their fingerprint, as it does in a company where nobody wrote that down.
"""

from __future__ import annotations

import base64
import socket
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from rotator.core.model import Bundle
from rotator.core.pem import chain_pem
from tests.e2e import appliance
from tests.e2e.cas import GetFixture
from tests.e2e.cluster import Account, install
from tests.e2e.path import comes_to
from tests.lib.kube_builders import get_secret, put_secret, tls_data
from tests.servers.kube import KubeServer
from tests.servers.nginx import Nginx, VirtualServer, start_nginx, virtual_server
from tests.servers.syncer import Syncer

TIMEOUT = 10.0
SETTLE = "20s"
DH_PARAMETERS = b"-----BEGIN DH PARAMETERS-----\nMAoCBQCAAAABAgEC\n-----END DH PARAMETERS-----\n"
FOREIGN = {"keystore.p12": base64.b64encode(b"somebody else's").decode()}
FILES_OF = {"separate": ("tls.crt", "tls.key"), "combined": ("tls.pem", "tls.pem")}


@dataclass(frozen=True, slots=True)
class Place:
    """One certificate where it lies and where it is served.

    Attributes:
        certificate: its name in the plan.
        held: chain and key (PEM) as they lie there now.
        trace: equal to what it was before as long as nobody has written there.
        foreign: what is there and not rotator's to change.
    """

    certificate: str
    server: VirtualServer
    held: Callable[[], tuple[bytes, bytes]]
    trace: Callable[[], object]
    foreign: Callable[[], object]

    def shows(self, fingerprint: str, name: str, roots: bytes) -> bool:
        """Whether a client who asks for this name and trusts these roots only comes to see this certificate."""
        return comes_to(lambda: self._shown_to(name, roots), fingerprint)

    def _shown_to(self, name: str, roots: bytes) -> str:
        context = ssl.create_default_context(cadata=roots.decode())
        with (
            socket.create_connection((self.server.address, self.server.port), timeout=TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            shown = secure.getpeercert(binary_form=True)
        assert shown is not None
        return sha256(shown).hexdigest()


@dataclass(frozen=True, slots=True)
class Fleet:
    """Two places of one kind, and how the config speaks of them; the issuer is called `ca`.

    Attributes:
        keys_in: the folders where private keys belong.
        writes: what was written at the place of a name, where the place itself keeps account of that.
    """

    config: Mapping[str, Any]
    places: Mapping[str, Place]
    keys_in: tuple[Path, ...]
    writes: Callable[[str], list[str]] | None = None


Open = Callable[[GetFixture, Path, Mapping[str, Bundle]], AbstractContextManager[Fleet]]


# ---------------------------------------------------------------- files


def files(layout: str) -> Open:
    """Files in one of the three layouts, adopted by a rule, reloaded by nginx's own command."""

    @contextmanager
    def opened(fixture: GetFixture, folder: Path, bundles: Mapping[str, Bundle]) -> Iterator[Fleet]:
        below = folder / "services"
        for name, bundle in bundles.items():
            _fill(layout, below / name, bundle)
        with _nginx(folder, {name: _paths(layout, below / name) for name in bundles}) as nginx:
            places = {
                name: _file_place(layout, below / name, server)
                for name, server in zip(bundles, nginx.servers, strict=True)
            }
            yield Fleet(files_config(layout, below, nginx), places, (below,))

    return opened


def files_config(layout: str, below: Path, nginx: Nginx) -> dict[str, Any]:
    """Look at every folder below, adopt what is found, and see what nginx serves."""
    rule = {"from": "disk", "match": {}, "issuer": "ca", "reload": list(nginx.reload_command), "settle": SETTLE}
    certificate, _ = _paths(layout, below / "*")
    return {"sources": {"disk": {"files": [str(certificate)]}, **_served_by(nginx)}, "adopt": [rule]}


def _paths(layout: str, folder: Path) -> tuple[Path, Path]:
    """What a server reads: the chain and the key."""
    if layout == "generations":
        return folder / "current" / "fullchain.pem", folder / "current" / "privkey.pem"
    certificate, key = FILES_OF[layout]
    return folder / certificate, folder / key


def _fill(layout: str, folder: Path, bundle: Bundle) -> None:
    """Lay a pair out as an operator has, readable for a group, with somebody else's note beside it."""
    folder.mkdir(parents=True)
    (folder / "README").write_text("asked for by the shop team\n")
    if layout == "generations":
        (folder / "1").mkdir()
        (folder / "current").symlink_to("1")
        (folder / ".rotator-generations").touch()
    chain, key = _paths(layout, folder)
    if chain == key:
        chain.write_bytes(chain_pem(bundle.chain) + bundle.key + DH_PARAMETERS)
    else:
        chain.write_bytes(chain_pem(bundle.chain))
        key.write_bytes(bundle.key)
    key.chmod(0o640)


def _file_place(layout: str, folder: Path, server: VirtualServer) -> Place:
    chain, key = _paths(layout, folder)

    def trace() -> object:
        return {str(path): _stat(path) for path in (folder, *sorted(folder.rglob("*")))}

    def foreign() -> object:
        kept = DH_PARAMETERS in chain.read_bytes()
        return _stat(folder / "README"), oct(chain.stat().st_mode), oct(key.stat().st_mode), kept

    return Place(folder.name, server, lambda: (chain.read_bytes(), key.read_bytes()), trace, foreign)


def _stat(path: Path) -> tuple[int, ...]:
    found = path.lstat()
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_mode


# ---------------------------------------------------------------- a command


@contextmanager
def command(fixture: GetFixture, folder: Path, bundles: Mapping[str, Bundle]) -> Iterator[Fleet]:
    """Appliances that only an operator's script reaches; they are declared, with their endpoints."""
    below = folder / "appliances"
    for name, bundle in bundles.items():
        (below / name).mkdir(parents=True)
        (below / name / "tls.crt").write_bytes(chain_pem(bundle.chain))
        (below / name / "tls.key").write_bytes(bundle.key)
    with _nginx(folder, {name: (below / name / "tls.crt", below / name / "tls.key") for name in bundles}) as nginx:
        declared, places = [], {}
        for (name, bundle), server in zip(bundles.items(), nginx.servers, strict=True):
            declared.append(appliance_spec(below / name, bundle.chain.names, nginx, server))
            places[name] = _appliance_place(below / name, server)
        yield Fleet({"certificates": declared}, places, (below,), lambda name: _lines(below / name / "writes"))


def appliance_spec(folder: Path, names: tuple[str, ...], nginx: Nginx, server: VirtualServer) -> dict[str, Any]:
    """A certificate that is declared for an appliance."""
    script = [sys.executable, appliance.__file__, str(folder)]
    target = {
        "address": f"appliance/{folder.name}",
        "snapshot": [*script, "snapshot"],
        "deploy": [*script, "deploy", *nginx.reload_command],
        "restore": [*script, "restore", *nginx.reload_command],
        "settle": SETTLE,
    }
    return {
        "name": folder.name,
        "names": list(names),
        "issuer": "ca",
        "targets": [{"command": target}],
        "endpoints": [{"address": f"{server.address}:{server.port}", "server_name": names[0]}],
    }


def _appliance_place(folder: Path, server: VirtualServer) -> Place:
    chain, key = folder / "tls.crt", folder / "tls.key"
    return Place(
        folder.name,
        server,
        lambda: (chain.read_bytes(), key.read_bytes()),
        lambda: {path.name: _stat(path) for path in sorted(folder.iterdir())},
        lambda: None,
    )


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


# ---------------------------------------------------------------- Kubernetes


@contextmanager
def kubernetes(fixture: GetFixture, folder: Path, bundles: Mapping[str, Bundle]) -> Iterator[Fleet]:
    """Secrets of a real API server, adopted with the rights that the chart gives; a syncer plays the kubelet.

    rotator may write both of them: only its own judgement keeps it from the one that is fine.
    """
    server: KubeServer = fixture("kube_server")
    namespace: str = fixture("kube_namespace")
    for name, bundle in bundles.items():
        content = {**tls_data(bundle), **FOREIGN}
        put_secret(server, namespace, name, content, labels={"team": "shop"}, annotations={"note": "by hand"})
    account = install(server, namespace, folder / "chart", reads=[namespace], writes={namespace: list(bundles)})
    below = folder / "kubelet"
    with ExitStack() as open_until_the_end:
        syncers = {name: Syncer(server, namespace, name, below / name) for name in bundles}
        for syncer in syncers.values():
            syncer.sync()
        pairs = {name: (syncer.certificate, syncer.key) for name, syncer in syncers.items()}
        nginx = open_until_the_end.enter_context(_nginx(folder, pairs))
        for name in bundles:
            open_until_the_end.enter_context(Syncer(server, namespace, name, below / name, nginx.reload))
        places = {
            name: _secret_place(account, namespace, name, virtual)
            for name, virtual in zip(bundles, nginx.servers, strict=True)
        }
        yield Fleet(
            secrets_config(account, namespace, nginx), places, (below,), lambda name: account.writes(namespace, name)
        )


def secrets_config(account: Account, namespace: str, nginx: Nginx) -> dict[str, Any]:
    """Look at a namespace, adopt what is found, and see what nginx serves."""
    rule = {"from": "cluster", "match": {"namespace": namespace}, "issuer": "ca", "settle": SETTLE}
    return {"sources": {"cluster": account.source(namespace), **_served_by(nginx)}, "adopt": [rule]}


def _secret_place(account: Account, namespace: str, name: str, server: VirtualServer) -> Place:
    def secret() -> dict[str, Any]:
        return get_secret(account.server, namespace, name)

    def held() -> tuple[bytes, bytes]:
        content = secret()["data"]
        return base64.b64decode(content["tls.crt"]), base64.b64decode(content["tls.key"])

    def foreign() -> object:
        found = secret()
        rest = {key: value for key, value in found["data"].items() if not key.startswith("tls.")}
        notes = {k: v for k, v in found["metadata"]["annotations"].items() if not k.startswith("rotator/")}
        return rest, notes, found["metadata"]["labels"], found["type"], found["metadata"]["uid"]

    return Place(
        f"{namespace}/{name}",
        server,
        held,
        lambda: (secret()["metadata"]["resourceVersion"], account.writes(namespace, name)),
        foreign,
    )


# ---------------------------------------------------------------- nginx before all of them


@contextmanager
def _nginx(folder: Path, pairs: Mapping[str, tuple[Path, Path]]) -> Iterator[Nginx]:
    with start_nginx(folder, [virtual_server(certificate, key) for certificate, key in pairs.values()]) as nginx:
        yield nginx


def _served_by(nginx: Nginx) -> dict[str, Any]:
    return {"wire": {"endpoints": [f"{server.address}:{server.port}" for server in nginx.servers]}}


PLACES: Mapping[str, Open] = {
    "files-separate": files("separate"),
    "files-combined": files("combined"),
    "files-generations": files("generations"),
    "kubernetes_secret": kubernetes,
    "command": command,
}
