"""What the config says of keys, held against what issuers sign, what targets take, and what is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rotator.config.entries import PluginEntry, Plugins
from rotator.config.model import Adoption, Declared, File
from rotator.config.readable import Readable
from rotator.config.source import Document, Where
from rotator.core.model import KeySpec
from rotator.errors import ConfigProblem
from rotator.settings import KeyUse
from rotator.validating import as_far_as_read


def key_problems(document: Document, read: Readable, plugins: Plugins) -> Iterator[ConfigProblem]:
    """Every mistake about keys and requests, as far as they could be read."""
    signers = plugins.signers
    for (section, index), certificate in read.certificates.items():
        where: Where = (section, index)
        yield from as_far_as_read(_targets(document, certificate, plugins.targets.get(index, ())))
        yield from as_far_as_read(_request(document, where, certificate))
    for where, either in read.both:
        yield from as_far_as_read(_kept(document, where, either, read.file))
        yield from as_far_as_read(_signed(document, where, either, signers))


def _kept(document: Document, where: Where, either: Declared | Adoption, file: File) -> Iterator[ConfigProblem]:
    key = _made(either)
    if key is not None and key.reuse and not file.keep_keys:
        message = "reuse needs keep_keys: true; a key that is not kept cannot be used again"
        yield document.problem((*where, "key"), message)


def _signed(
    document: Document, where: Where, either: Declared | Adoption, signers: Mapping[str, PluginEntry]
) -> Iterator[ConfigProblem]:
    key = _made(either)
    if key is None:
        return
    for name in either.issuer:
        if name in signers:
            yield from as_far_as_read(_refused(document, (*where, "key"), key, signers[name]))


def _refused(document: Document, where: Where, key: KeySpec, issuer: PluginEntry) -> Iterator[ConfigProblem]:
    if why := issuer.settings.refuses_key(key.algorithm, key.size):
        yield document.problem(where, f"the issuer {issuer.name} would refuse it: {why}")


def _made(either: Declared | Adoption) -> KeySpec | None:
    """The key that will be made; None where it comes from elsewhere, or is like the one that was found."""
    return None if isinstance(either, Declared) and either.csr else either.key


def _request(document: Document, where: Where, certificate: Declared) -> Iterator[ConfigProblem]:
    if not certificate.csr:
        return
    at, path = (*where, "csr"), Path(certificate.csr)
    if "key" in certificate.model_fields_set:
        yield document.problem((*where, "key"), "give either `key` or `csr`: the request's own key is the one")
    if not path.is_absolute():
        yield document.problem(at, f"{certificate.csr!r} is no absolute path; begin it with /")


def _targets(document: Document, certificate: Declared, targets: Sequence[PluginEntry]) -> Iterator[ConfigProblem]:
    for entry in targets:
        use = entry.settings.key_use
        if certificate.csr and use is KeyUse.NEEDED:
            message = (
                "it needs the key, which is held elsewhere; only files without `key` and command take a chain alone"
            )
            yield document.problem(entry.where, message)
        if not certificate.csr and use is KeyUse.NEVER:
            yield document.problem(entry.where, "the layout separate needs `key`, or the certificate a `csr`")
