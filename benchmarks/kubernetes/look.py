"""One look at one namespace, as a program: the bare list, or everything that rotator makes of it.

`python -m benchmarks.kubernetes.look bare|observe|everything KUBECONFIG NAMESPACE` prints the seconds, and how many
Secrets there were. Loading credentials and the first connection are not part of it: they are the same for all.
"""

from __future__ import annotations

import re
import sys
import time

from rotator.clock import system_clock
from rotator.core.model import Use
from rotator.lib.kube.cluster import PAGE_SIZE, Cluster, Pace, connect
from rotator.lib.kube.errors import Call
from rotator.lib.kube.resources import SECRETS
from rotator.lib.kube.transport import Access
from rotator.sources.kubernetes import KubernetesSettings, KubernetesSource

_CONTINUE = re.compile(rb'"continue":"([^"]*)"')
_HEAD = 4096
"""The list's own metadata stands before its items."""


def bare(cluster: Cluster, namespace: str) -> int:
    """List page after page over the same transport and look at nothing but the token of the next page."""
    params = {"fieldSelector": "type=kubernetes.io/tls", "limit": str(PAGE_SIZE)}
    call, found = Call("list", SECRETS, namespace), 0
    while True:
        body = cluster.transport.send(call, cluster.pace.monotonic, params=params)
        found += body.count(b'"type":"kubernetes.io/tls"')
        token = _CONTINUE.search(body, 0, _HEAD)
        if token is None:
            return found
        params["continue"] = token[1].decode()


def observe(kubeconfig: str, namespace: str, **more: bool) -> int:
    """Look as the daemon does, and let go of each observation, as a scan does that writes lines."""
    wanted = {"kubeconfig": kubeconfig, "namespaces": [namespace], **more}
    source = KubernetesSource("cluster", KubernetesSettings.model_validate(wanted), system_clock())
    found = 0
    for each in source.observe():
        if each.use is not Use.TRUST:
            assert each.chain and each.key and each.key.matches, f"{each.location} was read wrongly"
            found += 1
    return found


def main(what: str, kubeconfig: str, namespace: str) -> None:
    """Connect, then look and say what it took."""
    clock = system_clock()
    cluster = connect(Access(kubeconfig), Pace(clock.wait, clock.monotonic))
    cluster.identity()
    began = time.monotonic()
    looks = {
        "bare": lambda: bare(cluster, namespace),
        "observe": lambda: observe(kubeconfig, namespace, fronts=False),
        "everything": lambda: observe(kubeconfig, namespace, everything=True),
    }
    found = looks[what]()
    print(time.monotonic() - began, found)


if __name__ == "__main__":
    main(*sys.argv[1:])
