"""Source `files`: certificates in PEM files of this machine."""

from rotator.sources.files.source import FilesSettings, FilesSource

__all__ = ["FilesSettings", "FilesSource"]
