"""Asking cert-manager for a renewal: once, whatever becomes of it."""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from rotator.errors import IssueError, Pending
from rotator.lib.kube.renewing import LONGEST, Kept, renew
from tests.issuers.asking import clock_at
from tests.lib.kube_builders import NOW, authority, cluster, issue, kubeconfig_for, tls_data
from tests.servers.loopback import LoopbackServer, Request, Response

SHOP = Kept("shop", "shop-tls")


class Forgetful(LoopbackServer):
    """An API server whose cert-manager takes the condition away again and does nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        owner = {"annotations": {"cert-manager.io/certificate-name": "shop"}}
        metadata = {"name": "shop", "namespace": "shop", "uid": "1", "resourceVersion": "1"}
        data = tls_data(issue(authority()))
        self._secret = {"metadata": {"name": "shop-tls", "namespace": "shop", **owner}, "data": data}
        self._certificate = {"metadata": metadata, "spec": {"secretName": "shop-tls"}, "status": {}}

    def respond(self, request: Request) -> Response:
        """Answer for one Secret and one Certificate; whatever is written is taken and forgotten."""
        found: dict[str, Any] = {"items": []}
        if request.path.startswith("/api/v1/namespaces/shop/secrets/"):
            found = self._secret
        elif "/certificates/" in request.path:
            self.asked += request.method == "PUT"
            found = self._certificate
        return Response(HTTPStatus.OK, {"Content-Type": "application/json"}, json.dumps(found).encode())


def test_a_renewal_is_asked_for_once(tmp_path: Path) -> None:
    """Followed over an hour of looks, it is not asked for again; then it has failed."""
    tokens: list[str] = []
    time = clock_at(NOW)
    with Forgetful() as server:
        api = cluster(kubeconfig_for(server.url, tmp_path))
        for _ in range(5):
            with pytest.raises((Pending, IssueError)) as ended:
                renew(api, time, SHOP, resume=tokens[-1] if tokens else None, checkpoint=tokens.append)
            if not isinstance(ended.value, Pending):
                break
            time.wait(LONGEST.total_seconds() / 4)

    assert isinstance(ended.value, IssueError)
    assert "not finished" in str(ended.value)
    assert server.asked == 1
