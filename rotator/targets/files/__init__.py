"""Target `files`: a certificate and its key in files of this machine."""

from rotator.targets.files.settings import FilesSettings
from rotator.targets.files.target import FilesTarget

__all__ = ["FilesSettings", "FilesTarget"]
