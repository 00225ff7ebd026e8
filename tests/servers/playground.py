"""A cluster with cert-manager, to try things by hand: `python -m tests.servers.playground FOLDER`.

Writes `FOLDER/kubeconfig` and `FOLDER/root.pem` (what the ClusterIssuer `internal` signs below) and runs until it is
ended. There are no nodes: nothing that would run in a pod runs.
"""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path

from rotator.core.pem import certificate_pem
from tests.servers import run
from tests.servers.kube import run_kube
from tests.servers.signing import run_cert_manager


def main(folder: Path) -> None:
    """Start it, say where it is, and wait."""
    run.begin()
    try:
        server = run_kube()
        cert_manager = run_cert_manager(server)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "root.pem").write_bytes(certificate_pem(cert_manager.root))
        shutil.copyfile(server.kubeconfig(), folder / "kubeconfig")
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    finally:
        run.finish()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
