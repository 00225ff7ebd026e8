"""rotator keeps every TLS certificate of an organisation alive without people."""

from __future__ import annotations

__version__: str


def __getattr__(name: str) -> str:
    """Read the version only when it is asked for: it costs more than all else that `--help` imports."""
    if name != "__version__":
        raise AttributeError(name)
    from importlib.metadata import version

    return version("rotator")
