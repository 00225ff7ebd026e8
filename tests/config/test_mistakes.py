"""What pydantic says is told in the words of the config, not in those of Python."""

from __future__ import annotations

import pytest

from rotator.config.load import load_text
from rotator.config.mistakes import nearest
from rotator.errors import ConfigError


@pytest.mark.parametrize(
    ("issuer", "expected"),
    [
        (
            "aws_pca: {ca_arn: ARN, lifetime: 30}",
            "aws_pca.lifetime: 30 has no unit; write it like 30s, 30m, 30h or 30d",
        ),
        ("aws_pca: {ca_arn: ARN, lifetime: 30s}", "aws_pca.lifetime: it should be greater than or equal to 60 seconds"),
        ("local_ca: {directory: 7}", "local_ca.directory: it should be a path; put it in quotes"),
        ("local_ca: {directory: [/a]}", "local_ca.directory: it should be a single path, not a list"),
        ("command: {command: /usr/local/bin/ca --sign}", "command.command: it should be a list, like [first, second]"),
        ("command: {command: []}", "command.command: it is empty; name at least one"),
        (
            "acme: {directory: letsencrypt, email: [a@example.com]}",
            "acme.email: it should be a single text, not a list",
        ),
    ],
)
def test_wrong_values_of_issuers_say_what_to_write(issuer: str, expected: str) -> None:
    """A number without a unit, a list for a text and the like are told without a word of Python."""
    arn = "'arn:aws:acm-pca:eu-west-1:123456789012:certificate-authority/01234567-89ab-cdef-0123-456789abcdef'"
    with pytest.raises(ConfigError) as caught:
        load_text(f"issuers:\n  ca:\n    {issuer.replace('ARN', arn)}\nalerts: none\n", "c.yaml")
    (problem,) = caught.value.problems
    assert f"{problem.path}: {problem.message}" == f"issuers.ca.{expected}"
    assert problem.line == 3


@pytest.mark.parametrize(
    ("name", "valid", "meant"),
    [
        ("ca", ["auth", "ca_file", "url"], "ca_file"),
        ("ca_file", ["ca", "secret", "url"], "ca"),
        ("namespace", ["names", "namespaces"], "namespaces"),
        ("ca", ["ca_key", "ca_certificate", "lifetime"], ""),
        ("c", ["ca_file", "ca"], "ca"),
        ("x", ["url"], ""),
    ],
)
def test_a_name_that_is_the_beginning_of_one_is_near_it(name: str, valid: list[str], meant: str) -> None:
    """`ca` for `ca_file` is a likelier slip than a wrong letter, if only one name begins so."""
    assert nearest(name, valid) == meant
