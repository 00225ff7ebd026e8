"""Fuzz the reader of keystores: `python -m tests.fuzz.fuzz_keystore [FOLDER] [-max_total_time=600]`.

Run by hand, with `pip install atheris`. The seeds beside it are read; new inputs are written into the folder, without
one into a temporary folder.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

SEEDS = Path(__file__).with_name("seeds") / "keystore"


def main() -> None:
    """Fuzz until the limit that is given, or for ever."""
    try:
        atheris = importlib.import_module("atheris")  # not among our dependencies, so nothing is known of its types
    except ImportError:
        sys.exit("atheris is missing; run: pip install atheris")
    with atheris.instrument_imports(include=["rotator.lib.keystore", "rotator.core.pem"]):
        from tests.fuzz.keystore_target import take_store

    def one(content: bytes) -> None:
        take_store(content)

    program, *given = sys.argv
    folders = [] if any(not word.startswith("-") for word in given) else [tempfile.mkdtemp(prefix="fuzz-keystore-")]
    atheris.Setup([program, *given, *folders, str(SEEDS)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
