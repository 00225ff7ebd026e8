"""Write out what an operator would have: the fleet's files, the CA, secrets, and `demo.yaml`."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rotator.demo.fleet import DOMAIN, HOST, Service, found
from rotator.demo.pki import make_pki
from rotator.lib import atomicfile

_HEAD = """\
# Written by `rotator demo`, made anew at each start. A real one for production: config.example.yaml.
mode: rotate
first_look: act                # a real first look only stores its plan; the demo has no time to wait for the second
check_every: 3s
shortest_tick: 1s
state: {base}/state.db
limits: {{at_once: 4, an_hour: 200}}
web: {{listen: "{web}"}}
sources:
  disk: {{files: ["{base}/services/*/fullchain.pem"]}}
  wire: {{endpoints: [{endpoints}]}}
issuers:
  demo-ca:
    local_ca: {{ca_certificate: {base}/ca/ca.crt, ca_key: {base}/ca/ca.key, lifetime: 90d}}
    trust: {{file: {base}/ca/root.crt}}
alerts:
  oncall:
    webhook: {{url: "${{file:{base}/oncall.url}}", secret: "${{file:{base}/oncall.secret}}"}}
    at_least: info
certificates:
"""

_CERTIFICATE = """\
  - name: {name}
    names: [{names}]
    issuer: demo-ca
    targets: [{targets}]
    endpoints: [{endpoints}]
"""

_TARGET = "{{files: {{layout: separate, certificate: {cert}, key: {key}, touch: {reload}, settle: 3s}}}}"


@dataclass(frozen=True, slots=True)
class Demo:
    """What was written.

    Attributes:
        certificates: the name of the certificate of each service.
    """

    config: Path
    services: tuple[Service, ...]
    certificates: dict[str, str]


def set_up(directory: Path, now: datetime, *, web: str, oncall: str) -> Demo:
    """Make the demo's folder anew; what an earlier demo left is removed."""
    base = directory.resolve()
    if base.exists():
        shutil.rmtree(base)
    base.mkdir(mode=0o700)
    pki = make_pki(now)
    pki.write(base / "ca")
    atomicfile.write(base / "oncall.url", oncall.encode(), mode=0o600)
    atomicfile.write(base / "oncall.secret", secrets.token_hex(32).encode(), mode=0o600)
    services = found(pki, base / "services", now)
    groups = _groups(services)
    config = base / "demo.yaml"
    atomicfile.write(config, _config(base, services, groups, web).encode(), mode=0o644)
    return Demo(config, services, {service.name: name for name, group in groups.items() for service in group})


def _groups(services: Sequence[Service]) -> dict[str, tuple[Service, ...]]:
    """Services that share a certificate are one certificate with several targets."""
    shared = tuple(service for service in services if service.case.flaw == "shared")
    groups = {service.name: (service,) for service in services if service not in shared}
    return {**groups, shared[0].name: shared}


def _config(base: Path, services: Sequence[Service], groups: dict[str, tuple[Service, ...]], web: str) -> str:
    head = _HEAD.format(base=base, web=web, endpoints=", ".join(_endpoint(service) for service in services))
    return head + "".join(
        _CERTIFICATE.format(
            name=name,
            names=", ".join(f"{service.name}.{DOMAIN}" for service in group),
            targets=", ".join(
                _TARGET.format(cert=service.certificate, key=service.key, reload=service.reload) for service in group
            ),
            endpoints=", ".join(_endpoint(service) for service in group),
        )
        for name, group in sorted(groups.items())
    )


def _endpoint(service: Service) -> str:
    return f'"{HOST}:{service.port}"'
