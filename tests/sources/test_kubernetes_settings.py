"""What a word on the command line means for the Kubernetes source, and which settings are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from rotator.sources.kubernetes import Also, KubernetesSettings, settings_from_word, settings_from_words


@pytest.mark.parametrize(
    ("word", "context", "namespaces"),
    [
        ("k8s://", "", "all"),
        ("k8s://prod", "prod", "all"),
        ("k8s://prod/", "prod", "all"),
        ("k8s://prod/shop", "prod", ("shop",)),
        ("k8s:///shop", "", ("shop",)),
        ("k8s://admin@prod.example.com/shop", "admin@prod.example.com", ("shop",)),
        ("k8s://default%2Fapi-x:6443%2Fkube:admin/shop", "default/api-x:6443/kube:admin", ("shop",)),
        ("k8s://arn:aws:eks:eu-west-1:1:cluster/prod", "arn:aws:eks:eu-west-1:1:cluster/prod", "all"),
        ("k8s://arn:aws:eks:eu-west-1:1:cluster/prod/shop", "arn:aws:eks:eu-west-1:1:cluster/prod", ("shop",)),
    ],
)  # fmt: skip
def test_a_word_is_a_cluster(word: str, context: str, namespaces: object) -> None:
    """A context and a namespace, each optional, with everything switched on."""
    found = settings_from_word(word)
    assert (found.kube_context, found.namespaces) == (context, namespaces)
    assert all(found.looks_at(what) for what in Also)


@pytest.mark.parametrize(
    "word",
    [
        "prod",
        "https://prod",
        "k8s:/prod",
        "k8s://prod/Shop",
        "k8s://prod/shop/web",
        "k8s://prod/shop?x=1",
        "k8s://a/b c",
    ],
)
def test_another_word_is_refused_in_one_sentence(word: str) -> None:
    """What is no cluster is refused with the form to write."""
    with pytest.raises(ValueError, match="k8s://CONTEXT/NAMESPACE") as raised:
        settings_from_word(word)
    assert "\n" not in str(raised.value)


def test_nothing_more_than_tls_secrets_unless_it_is_said() -> None:
    """By default the daemon reads what it always read."""
    assert not any(KubernetesSettings().looks_at(what) for what in Also)
    assert KubernetesSettings.model_validate({"also": ["config-maps"]}).looks_at(Also.CONFIG_MAPS)


def test_one_way_to_name_contexts() -> None:
    """A single context and a list of them at once are a mistake."""
    with pytest.raises(ValidationError, match="keep one of them"):
        KubernetesSettings.model_validate({"kube_context": "prod", "contexts": ["prod"]})


def test_words_of_one_context_are_one_source() -> None:
    """Two namespaces of a cluster are read together, so that what belongs to none is told once; clusters stay apart."""
    found = dict(settings_from_words(["k8s://prod/shop", "k8s://staging", "k8s://prod/payments", "k8s://staging/x"]))

    assert {name: settings.namespaces for name, settings in found.items()} == {
        "k8s://prod/shop": ("shop", "payments"),
        "k8s://staging": "all",
    }
