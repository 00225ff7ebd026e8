"""A device for target `command`: one JSON file under a lock, with an interface of three verbs, as an operator's script.

    python device.py FOLDER snapshot|deploy|restore

`broken` in the folder makes deploy and restore fail after they have written; each one that worked adds a line to `log`.
It prints what it was given to standard error, as careless scripts do.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import sys
from base64 import b64decode
from pathlib import Path

CONFLICT = 9


def fingerprint(chain: str | None) -> str | None:
    """The leaf's, by the standard library alone."""
    if not chain or "BEGIN CERTIFICATE" not in chain:
        return None
    body = chain.split("-----BEGIN CERTIFICATE-----")[1].split("-----END")[0]
    return hashlib.sha256(b64decode(body)).hexdigest()


def main(folder: Path, verb: str) -> int:
    """Do what the verb says."""
    place = folder / "place.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        held = json.loads(place.read_text()) if place.exists() else None
        if verb == "snapshot":
            document = {"chain": held["chain"], "state": {"key": held["key"], "profile": "clientssl"}} if held else {}
            sys.stdout.write(json.dumps(document) if held else "")
            return 0
        asked = json.load(sys.stdin)
        sys.stderr.write(json.dumps(asked))
        key = asked["key"] if verb == "deploy" else asked["state"]["key"]
        now = fingerprint(held["chain"] if held else None)
        if now not in (asked["replacing"], fingerprint(asked["chain"])):
            return CONFLICT
        place.write_text(json.dumps({"chain": asked["chain"], "key": key}))
        if (folder / "broken").exists():
            sys.stderr.write("\nthe profile could not be saved\n")
            return 3
        with (folder / "log").open("a") as log:
            log.write(f"{verb}\n")
        return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
