"""Names of certificates that one of their issuers could never get signed, whatever it is asked.

Where none of a certificate's issuers could sign all of its names, that is a mistake of the config. Where another one
can, it is asked instead, as when an issuer is down: that works, and is told as a remark.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rotator.config.entries import PluginEntry, Plugins
from rotator.config.model import Declared, File
from rotator.config.readable import Readable
from rotator.config.source import Document, Where
from rotator.config.values import read_name
from rotator.core.model import Mode
from rotator.errors import ConfigProblem
from rotator.validating import Unread, as_far_as_read


@dataclass(frozen=True, slots=True)
class _Refused:
    """One name that one issuer could never get signed, and why, in a clause."""

    where: Where
    name: str
    issuer: str
    why: str


def name_problems(document: Document, read: Readable, plugins: Plugins) -> Iterator[ConfigProblem]:
    """Each such name at its place, once for each issuer, of the certificates that no issuer of theirs could sign."""
    for where, certificate in read.certificates.items():
        yield from as_far_as_read(_mistakes(document, where, certificate, read.file, plugins.signers))


def name_remarks(document: Document, read: Readable, plugins: Plugins) -> Iterator[ConfigProblem]:
    """The same of those that another issuer of the list can sign: no mistakes."""
    for where, certificate in read.certificates.items():
        yield from as_far_as_read(_remarks(document, where, certificate, read.file, plugins.signers))


def _mistakes(
    document: Document, at: Where, certificate: Declared, file: File, signers: Mapping[str, PluginEntry]
) -> Iterator[ConfigProblem]:
    refused = list(_refused(document, at, certificate, file, signers))
    if not _able(certificate, refused):
        for one in refused:
            yield document.problem(one.where, f"the issuer {one.issuer} would refuse it: {one.name} {one.why}")


def _remarks(
    document: Document, at: Where, certificate: Declared, file: File, signers: Mapping[str, PluginEntry]
) -> Iterator[ConfigProblem]:
    refused = list(_refused(document, at, certificate, file, signers))
    able = _able(certificate, refused)
    if able:
        who = " and ".join(able) if len(able) > 1 else f"{able[0]} alone"
        for one in refused:
            yield document.problem(
                one.where,
                f"the issuer {one.issuer} is passed over, and {who} can sign the certificate: {one.name} {one.why}; "
                f"or take {one.issuer} out of this list",
            )


def _able(certificate: Declared, refused: list[_Refused]) -> list[str]:
    """Its issuers that are not known to refuse any name: a certificate is ordered with all of its names."""
    unable = {one.issuer for one in refused}
    return [name for name in certificate.issuer if name not in unable]


def _refused(
    document: Document, at: Where, certificate: Declared, file: File, signers: Mapping[str, PluginEntry]
) -> Iterator[_Refused]:
    if (certificate.mode or file.mode) is not Mode.ROTATE or not certificate.names:
        return  # as long as it is only looked at, its issuer need not be set up
    places = _places(document, (*at, "names"))
    for issuer in certificate.issuer:
        for name, where in places.items() if issuer in signers else ():
            if why := _refuses(signers[issuer], name):
                yield _Refused(where, name, issuer, why)


def _refuses(issuer: PluginEntry, name: str) -> str:
    """What could not be read of an issuer is told where it stands, and may sign anything until it is mended."""
    try:
        return issuer.settings.refuses_name(name)
    except Unread:
        return ""


def _places(document: Document, at: Where) -> dict[str, Where]:
    """Where each name stands first, in whatever spelling; a single one may stand there without a list."""
    found: dict[str, Where] = {}
    for where, written in document.listed(at):
        found.setdefault(read_name(written), where)
    return found
