"""`rotator.lib.tls.probe` as a program: every loopback address at a port, counted by state."""

from __future__ import annotations

import sys
from collections import Counter

from benchmarks.scan.server import NAME, loopback_addresses
from rotator.core.model import Endpoint
from rotator.lib.tls import probe

if __name__ == "__main__":
    port, count, processes = map(int, sys.argv[1:4])
    endpoints = (Endpoint(address, port, NAME) for address in loopback_addresses(count))
    print(dict(Counter(str(sighting.state) for sighting in probe(endpoints, processes=processes))))
