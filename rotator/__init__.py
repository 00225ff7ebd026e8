"""rotator keeps every TLS certificate of an organisation alive without people."""

from importlib.metadata import version

__version__ = version("rotator")
