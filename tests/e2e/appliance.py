"""An appliance behind three verbs, as an operator's script for the `command` target: it serves what it is given.

    appliance.py FOLDER snapshot|deploy|restore [RELOAD…]

It keeps `tls.crt` and `tls.key` in the folder, has RELOAD run after each write, and adds each write to `writes`. With a
file `broken` in the folder it fails, and the key that it was given is in `refused.key`. Like many such scripts it
prints all that it is given to standard error. Standard library only; it shares no code with rotator.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

CONFLICT = 9


def fingerprint(chain: str | None) -> str | None:
    """The leaf's."""
    if not chain or "BEGIN CERTIFICATE" not in chain:
        return None
    body = chain.split("-----BEGIN CERTIFICATE-----")[1].split("-----END")[0]
    return hashlib.sha256(b64decode(body)).hexdigest()


def main(folder: Path, verb: str, reload: list[str]) -> int:
    """Do what the verb says."""
    chain, key = folder / "tls.crt", folder / "tls.key"
    if verb == "snapshot":
        held = {"chain": chain.read_text(), "state": {"key": key.read_text(), "profile": "clientssl"}}
        sys.stdout.write(json.dumps(held))
        return 0
    asked = json.load(sys.stdin)
    sys.stderr.write(json.dumps(asked, indent=1) + "\n")
    if (folder / "broken").exists():
        (folder / "refused.key").write_text(asked["key"])
        sys.stderr.write("the profile could not be saved\n")
        return 3
    if fingerprint(chain.read_text()) not in (asked["replacing"], fingerprint(asked["chain"])):
        return CONFLICT
    with (folder / "writes").open("a") as writes:
        writes.write(f"{verb}\n")
    chain.write_text(asked["chain"])
    key.write_text(asked["key"] if verb == "deploy" else asked["state"]["key"])
    sys.stderr.write(key.read_text())
    return subprocess.run(reload, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
