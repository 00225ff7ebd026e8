"""What a look at ten thousand TLS Secrets costs beside the bare list of them; see README.md."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.kubernetes.fill import fill
from benchmarks.measuring import BenchmarkError, Cost, run
from tests.servers.catalogue import find
from tests.servers.kube import private_kube

SECRETS = 10_000
ROUNDS = 7
NAMESPACE = "fleet"
LOOKS = ("bare", "observe", "everything")


def measure(secrets: int = SECRETS, rounds: int = ROUNDS) -> dict[str, Any]:
    """Each round has every look once, in turn, so that what slows one slows all."""
    if not (find("etcd") and find("kube-apiserver")):
        raise BenchmarkError("etcd and kube-apiserver are missing; `make servers` provides them")
    with TemporaryDirectory(prefix="rotator-bench-") as folder, private_kube(Path(folder)) as server:
        fill(server, NAMESPACE, secrets)
        kubeconfig = str(server.kubeconfig())
        found = [{look: _look(look, kubeconfig, secrets) for look in LOOKS} for _ in range(rounds)]
    times = {look: [seconds for seconds, _ in (one[look] for one in found)] for look in LOOKS}
    peaks = {look: max(cost.peak for _, cost in (one[look] for one in found)) for look in LOOKS}
    return {
        "secrets": secrets,
        "rounds": rounds,
        "seconds": {look: round(median(taken), 2) for look, taken in times.items()},
        "times the bare list": {look: _ratio(times[look], times["bare"]) for look in LOOKS[1:]},
        "processor milliseconds a Secret": {look: _cpu([one[look][1] for one in found], secrets) for look in LOOKS},
        "peak MB": {look: round(peak * 1024 / 1e6) for look, peak in peaks.items()},
    }


def _look(look: str, kubeconfig: str, secrets: int) -> tuple[float, Cost]:
    cost = run([sys.executable, "-m", "benchmarks.kubernetes.look", look, kubeconfig, NAMESPACE])
    seconds, found = cost.output.split()
    if int(found) != secrets:
        raise BenchmarkError(f"{look} found {found} Secrets of {secrets}")
    return float(seconds), cost


def _ratio(taken: list[float], bare: list[float]) -> dict[str, float]:
    """Of each round by itself: the median, and the best, which other work on the machine disturbed least."""
    ratios = [one / other for one, other in zip(taken, bare, strict=True)]
    return {"median": round(median(ratios), 2), "least": round(min(ratios), 2)}


def _cpu(costs: list[Cost], secrets: int) -> float:
    """With the start of the program."""
    return round(min(cost.cpu for cost in costs) / secrets * 1000, 3)
