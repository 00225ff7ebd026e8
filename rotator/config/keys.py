"""What the config says of keys, held against what issuers sign, what targets take, and what is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rotator.config.entries import PluginEntry, Plugins
from rotator.config.model import Declared, File
from rotator.config.source import Document, Where
from rotator.core.keys import unfit
from rotator.core.model import KeySpec
from rotator.errors import ConfigProblem, RequestError
from rotator.lib.requestfile import read_request
from rotator.settings import KeyUse


def key_problems(document: Document, file: File, plugins: Plugins) -> Iterator[ConfigProblem]:
    """Every mistake about keys and requests."""
    issuers = {entry.name: entry for entry in plugins.issuers}
    for index, certificate in enumerate(file.certificates):
        where: Where = ("certificates", index)
        yield from _targets(document, certificate, plugins.targets.get(index, ()))
        if certificate.csr:
            yield from _request(document, where, certificate)
        else:
            signers = [issuers[name] for name in certificate.issuer if name in issuers]
            yield from _key(document, where, certificate.key, signers, file)
    for index, rule in enumerate(file.adopt):
        if rule.key is not None:
            signers = [issuers[name] for name in rule.issuer if name in issuers]
            yield from _key(document, ("adopt", index), rule.key, signers, file)


def _key(
    document: Document, where: Where, key: KeySpec, issuers: Sequence[PluginEntry], file: File
) -> Iterator[ConfigProblem]:
    at = (*where, "key")
    if key.reuse and not file.keep_keys:
        yield document.problem(at, "reuse needs keep_keys: true; a key that is not kept cannot be used again")
    for issuer in issuers:
        why = issuer.settings.refuses_key(key.algorithm, key.size)
        if why:
            yield document.problem(at, f"the issuer {issuer.name} would refuse it: {why}")


def _request(document: Document, where: Where, certificate: Declared) -> Iterator[ConfigProblem]:
    at, path = (*where, "csr"), Path(certificate.csr)
    if "key" in certificate.model_fields_set:
        yield document.problem((*where, "key"), "give either `key` or `csr`: the request's own key is the one")
    if not path.is_absolute():
        yield document.problem(at, f"{certificate.csr!r} is no absolute path; begin it with /")


def unfit_requests(document: Document, file: File) -> Iterator[ConfigProblem]:
    """Requests that are there and do not fit their certificate; one that is not there yet may come later."""
    for index, certificate in enumerate(file.certificates):
        if not certificate.csr or not Path(certificate.csr).exists():
            continue
        try:
            problem = unfit(read_request(certificate.csr), certificate.names)
        except RequestError as error:
            problem = str(error)
        if problem:
            yield document.problem(("certificates", index, "csr"), problem)


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
