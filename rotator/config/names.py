"""Names of certificates that one of their issuers could never get signed, whatever it is asked."""

from __future__ import annotations

from collections.abc import Iterator

from rotator.config.entries import Plugins
from rotator.config.model import File
from rotator.config.source import Document, Where
from rotator.config.values import read_name
from rotator.core.model import Mode
from rotator.errors import ConfigProblem


def name_problems(document: Document, file: File, plugins: Plugins) -> Iterator[ConfigProblem]:
    """Each such name at its place, once for each issuer.

    As long as a certificate is only looked at, its issuer need not be set up.
    """
    issuers = {entry.name: entry for entry in plugins.issuers}
    for index, certificate in enumerate(file.certificates):
        if (certificate.mode or file.mode) is not Mode.ROTATE:
            continue
        places = _places(document, ("certificates", index, "names"))
        for issuer in (issuers[name] for name in certificate.issuer if name in issuers):
            for name, where in places.items():
                if why := issuer.settings.refuses_name(name):
                    yield document.problem(where, f"the issuer {issuer.name} would refuse it: {name} {why}")


def _places(document: Document, at: Where) -> dict[str, Where]:
    """Where each name stands first, in whatever spelling; a single one may stand there without a list."""
    found: dict[str, Where] = {}
    for where, written in document.listed(at):
        found.setdefault(read_name(written), where)
    return found
