"""Names of certificates that one of their issuers could never get signed, whatever it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rotator.config.entries import PluginEntry, Plugins
from rotator.config.model import Declared, File
from rotator.config.readable import Readable
from rotator.config.source import Document, Where
from rotator.config.values import read_name
from rotator.core.model import Mode
from rotator.errors import ConfigProblem
from rotator.validating import as_far_as_read


def name_problems(document: Document, read: Readable, plugins: Plugins) -> Iterator[ConfigProblem]:
    """Each such name at its place, once for each issuer."""
    for where, certificate in read.certificates.items():
        yield from as_far_as_read(_refused(document, where, certificate, read.file, plugins.signers))


def _refused(
    document: Document, at: Where, certificate: Declared, file: File, signers: Mapping[str, PluginEntry]
) -> Iterator[ConfigProblem]:
    if (certificate.mode or file.mode) is not Mode.ROTATE or not certificate.names:
        return  # as long as it is only looked at, its issuer need not be set up
    places = _places(document, (*at, "names"))
    for name in certificate.issuer:
        if name in signers:
            yield from as_far_as_read(_refused_by(document, places, signers[name]))


def _refused_by(document: Document, places: Mapping[str, Where], issuer: PluginEntry) -> Iterator[ConfigProblem]:
    for name, where in places.items():
        if why := issuer.settings.refuses_name(name):
            yield document.problem(where, f"the issuer {issuer.name} would refuse it: {name} {why}")


def _places(document: Document, at: Where) -> dict[str, Where]:
    """Where each name stands first, in whatever spelling; a single one may stand there without a list."""
    found: dict[str, Where] = {}
    for where, written in document.listed(at):
        found.setdefault(read_name(written), where)
    return found
