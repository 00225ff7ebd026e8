"""Source `files`: certificates in files of this machine, in every format that keystores have."""

from rotator.sources.files.settings import FilesSettings
from rotator.sources.files.source import FilesSource

__all__ = ["FilesSettings", "FilesSource"]
