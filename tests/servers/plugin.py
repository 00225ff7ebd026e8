"""The pytest plugin: begin and end the run's servers, and offer the fixtures.

| fixture | scope | gives |
| --- | --- | --- |
| `kube_server` | run | `kube.KubeServer`: etcd and kube-apiserver |
| `kube_namespace` | test | the name of a namespace of the test's own |
| `pebble`, `pebble_plain` | worker | `pebble.Pebble`: an ACME CA, with three profiles or with one |
| `openbao` | run | `openbao.OpenBao` |
| `pki_mount` | test | `openbao.PkiMount`: a CA of the test's own in it |
| `node_signer` | run | `signing.NodeSigner`: kube-controller-manager, which signs requests of that API server |
| `cert_manager` | run | `signing.CertManager`: cert-manager's controllers on it, with a ClusterIssuer |
| `step_ca` | run | `step_ca.StepCaServer`: a JWK and an ACME provisioner |
| `alertmanager` | run | `alertmanager.Alertmanager` |

Context managers, for a server of one test: `kube.private_kube`, `pebble.start_pebble`, `openbao.private_openbao`,
`nginx.start_nginx`, `recorder.Recorder`, `hostile.HostileProxy`, `syncer.Syncer`, `netns.network_namespace`,
`step_ca.private_step_ca`.
"""

from __future__ import annotations

import pytest

from tests.servers import run
from tests.servers.alertmanager import alertmanager
from tests.servers.kube import kube_namespace, kube_server
from tests.servers.openbao import openbao, pki_mount
from tests.servers.pebble import pebble, pebble_plain
from tests.servers.signing import cert_manager, node_signer
from tests.servers.step_ca import step_ca

__all__ = [
    "alertmanager",
    "cert_manager",
    "kube_namespace",
    "kube_server",
    "node_signer",
    "openbao",
    "pebble",
    "pebble_plain",
    "pki_mount",
    "step_ca",
]


def pytest_configure(config: pytest.Config) -> None:
    """Make the run's folder, in the controller; the workers inherit its name."""
    config.addinivalue_line("markers", "server: needs a real server; set by itself where a fixture gives one")
    if not hasattr(config, "workerinput"):
        run.begin()


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use a server's fixture."""
    for item in items:
        if not set(__all__).isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("server")


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the run's servers, in the controller, when the workers have ended."""
    if not hasattr(config, "workerinput"):
        run.finish()
