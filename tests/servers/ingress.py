"""A small Ingress controller: it reads Ingresses and HTTPRoutes from a real API server and passes requests on.

It knows as much as an order needs: host and exact path, Service, EndpointSlice.
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.servers.kube import KubeServer

INGRESSES = "/apis/networking.k8s.io/v1/namespaces/{}/ingresses"
ROUTES = "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes"
SERVICES = "/api/v1/namespaces/{}/services"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices"


@dataclass
class Ingress:
    """The controller of one namespace, one class and one Gateway.

    Attributes:
        deaf: it has not noticed any new object yet.
        passed: what it passed on: host, path, status.
    """

    server: KubeServer
    namespace: str
    ingress_class: str = "test"
    gateway: str = "test"
    deaf: bool = False
    passed: list[tuple[str, str, int]] = field(default_factory=list)

    def items(self, collection: str) -> list[dict[str, Any]]:
        """Return all objects of a collection; none where the API server does not know it."""
        answer = self.server.request("GET", collection.format(self.namespace))
        return list(answer.json()["items"]) if answer.ok else []

    def backend(self, host: str, path: str) -> tuple[str, int] | None:
        """Return where a request goes, as the objects of this moment say."""
        if self.deaf:
            return None
        for each in self.items(INGRESSES):
            for rule in each["spec"]["rules"]:
                for way in rule["http"]["paths"]:
                    fits = rule.get("host", host) == host and way["path"] == path
                    if fits and each["spec"].get("ingressClassName") == self.ingress_class:
                        return self._endpoint(way["backend"]["service"]["name"])
        for each in self.items(ROUTES):
            parents = [parent["name"] for parent in each["spec"]["parentRefs"]]
            for rule in each["spec"]["rules"]:
                paths = [match["path"]["value"] for match in rule["matches"]]
                if path in paths and host in each["spec"].get("hostnames", [host]) and self.gateway in parents:
                    return self._endpoint(rule["backendRefs"][0]["name"])
        return None

    def _endpoint(self, service: str) -> tuple[str, int] | None:
        if service not in [each["metadata"]["name"] for each in self.items(SERVICES)]:
            return None
        for each in self.items(SLICES):
            if each["metadata"]["labels"].get("kubernetes.io/service-name") == service:
                return each["endpoints"][0]["addresses"][0], each["ports"][0]["port"]
        return None


@contextlib.contextmanager
def start_ingress(ingress: Ingress, address: str, port: int = 80) -> Iterator[Ingress]:
    """Serve as long as the context lasts."""

    class Passing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = (self.headers.get("Host") or "").rpartition(":")[0] or self.headers.get("Host") or ""
            found, status, body = ingress.backend(host, self.path), 404, b"no such route"
            if found is not None:
                connection = http.client.HTTPConnection(*found, timeout=10)
                connection.request("GET", self.path, headers={"Host": host})
                answer = connection.getresponse()
                status, body = answer.status, answer.read()
            ingress.passed.append((host, self.path, status))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing on stderr."""

    with http.server.ThreadingHTTPServer((address, port), Passing) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield ingress
        finally:
            server.shutdown()
            thread.join()
