"""Deploys in processes of their own, to be killed in the middle of it.

Everything is imported once; for each line `SETTINGS.json CHAIN.pem KEY.pem REPLACING` on standard input a child is
forked, which stops itself before it deploys, so that a tracer can take hold of it. Its process id is printed, then,
when it has ended, an empty line.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from rotator.core.model import Bundle, TargetSpec
from rotator.core.pem import read_chain
from rotator.ports import Clock
from rotator.targets.files import FilesSettings, FilesTarget

_PR_SET_PTRACER = 0x59616D61
_ANYBODY = ctypes.c_ulong(-1)


def deploy(settings: str, chain: str, key: str, replacing: str) -> None:
    """Stop, then deploy the bundle that lies in two files."""
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANYBODY, 0, 0, 0)
    bundle = Bundle(read_chain(Path(chain).read_bytes()), Path(key).read_bytes())
    clock = Clock(now=lambda: datetime.now(UTC), monotonic=time.monotonic, wait=time.sleep)
    wanted = FilesSettings.model_validate(json.loads(Path(settings).read_text()))
    target = FilesTarget("shop", TargetSpec("files"), wanted, clock)
    os.kill(os.getpid(), signal.SIGSTOP)
    target.deploy(bundle, replacing=replacing)


def main() -> None:
    """One child for each line."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            deploy(*line.split())
            os._exit(0)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        os.waitpid(child, 0)
        sys.stdout.write("\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
