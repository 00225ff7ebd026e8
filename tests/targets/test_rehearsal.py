"""Trying a place beforehand: what would stop a write is told without one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rotator.core.model import Check, TargetSpec
from rotator.lib.writable import command_problem, folder_problem, owner_problem
from rotator.ports import Rehearses
from rotator.targets.command import CommandSettings, CommandTarget
from rotator.targets.files import FilesSettings, FilesTarget
from rotator.targets.kubernetes_secret import KubernetesSecretSettings, KubernetesSecretTarget
from tests.issuers.asking import real_clock
from tests.lib.kube_builders import TLS, authority, clock, get_secret, issue, put_secret, tls_data
from tests.lib.small_disk import fill, small_disk
from tests.servers.kube import WRITER, KubeServer

SECRET_RULE = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["shop-tls"], "verbs": ["get", "patch"]}


def problems(target: object) -> dict[str, str]:
    assert isinstance(target, Rehearses)
    return {check.name: check.problem for check in target.rehearse() if check.problem}


def checks(target: object) -> dict[str, Check]:
    assert isinstance(target, Rehearses)
    return {check.name: check for check in target.rehearse()}


# ---------------------------------------------------------------- kubernetes_secret


def secret(server: KubeServer, namespace: str, *restart: str) -> KubernetesSecretTarget:
    settings = KubernetesSecretSettings(namespace=namespace, name="shop-tls", kubeconfig=str(server.kubeconfig(WRITER)))
    spec = TargetSpec("kubernetes_secret", {}, restart)
    return KubernetesSecretTarget("shop", spec, settings, clock())


@pytest.fixture
def shop(kube_server: KubeServer, kube_namespace: str) -> Iterator[str]:
    """A namespace with the Secret in it."""
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(issue(authority("Shop CA"))))
    yield kube_namespace


def test_a_secret_that_may_be_written(kube_server: KubeServer, shop: str) -> None:
    """The least rights that a deploy needs are enough, and the Secret is as it was."""
    kube_server.grant(shop, "writer", [SECRET_RULE])
    before = get_secret(kube_server, shop, "shop-tls")
    assert problems(secret(kube_server, shop)) == {}
    assert get_secret(kube_server, shop, "shop-tls") == before


@pytest.mark.parametrize(
    ("verbs", "words"),
    [
        ([], "may not get secrets shop-tls"),
        (["get"], "may not patch secrets shop-tls"),
        (["list", "patch"], "may not get secrets shop-tls"),
    ],
)
def test_a_right_that_is_missing(kube_server: KubeServer, shop: str, verbs: list[str], words: str) -> None:
    """The verb that is missing is named, and what to grant."""
    if verbs:
        kube_server.grant(shop, "writer", [{**SECRET_RULE, "verbs": verbs}])
    check = checks(secret(kube_server, shop))["write"]
    assert words in check.problem
    assert "grant" in check.remedy + check.problem


def test_a_secret_that_is_not_there_yet(kube_server: KubeServer, kube_namespace: str) -> None:
    """It has to be created, which is another right; nothing is."""
    kube_server.grant(kube_namespace, "writer", [SECRET_RULE])
    assert "may not create secrets" in problems(secret(kube_server, kube_namespace))["write"]
    kube_server.grant(kube_namespace, "writer", [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}])
    assert problems(secret(kube_server, kube_namespace)) == {}
    path = f"/api/v1/namespaces/{kube_namespace}/secrets/shop-tls"
    assert kube_server.request("GET", path).status_code == 404


@pytest.mark.parametrize(
    ("more", "words"), [({"immutable": True}, "is immutable"), ({"type": "Opaque"}, "is of type Opaque")]
)
def test_a_secret_that_cannot_be_written_at_all(
    kube_server: KubeServer, kube_namespace: str, more: dict[str, Any], words: str
) -> None:
    """Whatever the rights are."""
    kube_server.grant(kube_namespace, "writer", [SECRET_RULE])
    body = {"metadata": {"name": "shop-tls"}, "type": TLS, "data": tls_data(issue(authority("Shop CA"))), **more}
    kube_server.expect("POST", f"/api/v1/namespaces/{kube_namespace}/secrets", body)
    assert words in problems(secret(kube_server, kube_namespace))["write"]


def test_a_restart_that_may_not_be_done(kube_server: KubeServer, shop: str) -> None:
    """A workload that the config has restarted: it is not there, or its rights are not."""
    kube_server.grant(shop, "writer", [SECRET_RULE])
    target = secret(kube_server, shop, "Deployment/shop", "Job/shop")
    found = problems(target)
    assert "may not get deployments.apps shop" in found["restart Deployment/shop"]
    assert "is no workload" in found["restart Job/shop"]
    apps = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]}
    kube_server.grant(shop, "writer", [apps])
    assert "there is no Deployment" in problems(target)["restart Deployment/shop"]
    labels = {"app": "shop"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    path = f"/apis/apps/v1/namespaces/{shop}/deployments"
    kube_server.expect("POST", path, {"metadata": {"name": "shop"}, "spec": spec})
    assert "may not patch deployments.apps shop" in problems(target)["restart Deployment/shop"]
    kube_server.grant(shop, "writer", [{**apps, "verbs": ["patch"]}])
    assert set(problems(target)) == {"restart Job/shop"}


def test_a_webhook_that_cannot_be_called(kube_server: KubeServer, shop: str) -> None:
    """The rights are there, and admission would refuse every write: it is named."""
    kube_server.grant(shop, "writer", [SECRET_RULE])
    base = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    webhook = {
        "name": "effects.example.com",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["secrets"]}],
        "sideEffects": "NoneOnDryRun",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Fail",
        "timeoutSeconds": 1,
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": shop}},
    }
    made = kube_server.expect("POST", base, {"metadata": {"name": f"effects-{shop}"}, "webhooks": [webhook]})
    try:
        found = problems(secret(kube_server, shop))
        assert "effects.example.com" in found["write"]
    finally:
        kube_server.request("DELETE", f"{base}/{made['metadata']['name']}")


def test_a_cluster_that_is_gone(tmp_path: Path) -> None:
    """What cannot be asked is a problem, too."""
    settings = KubernetesSecretSettings(namespace="shop", name="shop-tls", kubeconfig=str(tmp_path / "none"))
    target = KubernetesSecretTarget("shop", TargetSpec("kubernetes_secret"), settings, clock())
    assert "cannot be used" in problems(target)["write"]


# ---------------------------------------------------------------- files


def files(**settings: object) -> FilesTarget:
    return FilesTarget("shop", TargetSpec("files"), FilesSettings.model_validate(settings), real_clock())


def pair(folder: Path) -> dict[str, str]:
    return {"certificate": str(folder / "tls.crt"), "key": str(folder / "tls.key")}


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    """It says which one, and whose it should be."""
    (check,) = files(**pair(tmp_path / "nowhere")).rehearse()
    assert f"{tmp_path}/nowhere is not there" in check.problem
    assert "make it" in check.remedy
    (tmp_path / "file").touch()
    assert "is no folder" in folder_problem(tmp_path / "file")[0]


def test_what_is_no_file(tmp_path: Path) -> None:
    """A folder in the place of the certificate cannot be replaced."""
    (tmp_path / "tls.crt").mkdir()
    assert "write" in problems(files(**pair(tmp_path)))


def test_a_disk_without_room(tmp_path: Path) -> None:
    """Both keys and both chains have to fit beside each other."""
    with small_disk(tmp_path / "disk") as folder:
        assert problems(files(**pair(folder))) == {}
        fill(folder)
        assert "is free in" in problems(files(**pair(folder)))["write"]


def test_somebody_else_s_folder_and_file(tmp_path: Path) -> None:
    """In a process that is not root: a folder that it may not write, a file that it could not give back its owner."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    (tmp_path / "tls.crt").touch()
    for parent in (tmp_path, *tmp_path.parents):
        if parent.is_relative_to("/tmp") and parent != Path("/tmp"):
            parent.chmod(0o755)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.setgid(65534)
        os.setgroups([])
        os.setuid(65534)
        said = f"{folder_problem(tmp_path)[0]}|{owner_problem(tmp_path / 'tls.crt')[0]}"
        os.write(write, said.encode())
        os._exit(0)
    os.waitpid(child, 0)
    folder, owner = os.read(read, 4096).decode().split("|")
    assert folder == f"rotator (65534:65534) may not write in {tmp_path}"
    assert "belongs to 0:0" in owner


def test_a_reload_command_that_cannot_be_started(tmp_path: Path) -> None:
    """Not there, not executable, not in the PATH: each in its own words, and none is started."""
    script = tmp_path / "reload"
    assert "there is no program" in problems(files(**pair(tmp_path), reload=[str(script)]))["reload"]
    script.write_text("#!/bin/sh\ntouch ran\n")
    script.chmod(0o644)
    assert "may not be executed" in command_problem([str(script)])[0]
    assert "in the PATH" in command_problem(["no-such-program-anywhere"])[0]
    script.chmod(0o755)
    assert problems(files(**pair(tmp_path), reload=[str(script)])) == {}
    assert not (tmp_path / "ran").exists()


# ---------------------------------------------------------------- command


def test_the_three_commands(tmp_path: Path) -> None:
    """Each is looked for; the one that reads is run, too."""

    def target(**commands: list[str]) -> CommandTarget:
        given = {"snapshot": ["true"], "deploy": ["true"], "restore": ["true"], **commands}
        settings = CommandSettings.model_validate({"address": "f5/shop", **given})
        return CommandTarget("shop", TargetSpec("command"), settings, real_clock())

    assert problems(target()) == {}
    assert "no program" in problems(target(restore=[str(tmp_path / "none")]))["restore"]
    failing = target(snapshot=[sys.executable, "-c", "import sys; sys.exit('the device is down')"])
    assert "the device is down" in problems(failing)["snapshot"]
