"""`rotator.lib.tls.probe` over a file of targets, one a line, read as it is needed; counted by state."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rotator.core.model import Endpoint
from rotator.lib.endpoint import parse_endpoint
from rotator.lib.tls import probe


def endpoints(file: Path) -> Iterator[Endpoint]:
    """Read them line by line."""
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            yield parse_endpoint(line)


if __name__ == "__main__":
    sightings = probe(endpoints(Path(sys.argv[1])), processes=int(sys.argv[2]))
    print(dict(Counter(str(sighting.state) for sighting in sightings)))
