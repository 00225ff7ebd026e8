"""What the config names and cannot be used right now: files, and terms that nobody has agreed to. No mistakes of it."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from rotator.config.load import load_ready, load_text
from rotator.core.pem import certificate_pem
from rotator.errors import ConfigError, ConfigProblem
from tests.builders import DAY, NOW
from tests.pki import Authority

ACME = "acme: {directory: 'https://ca.example/dir', "
VAULT = "vault: {url: 'https://vault.example.com', role: shop, "
STEP = "step_ca: {url: 'https://ca.example.com', provisioner: rotator, key: '${env:HOME}', "
TEXT = """\
mode: {mode}
sources: {{disk: {source}}}
issuers:
  ca: {{{issuer}}}
  idle: {{acme: {{directory: letsencrypt, roots: /nowhere/idle.pem}}, trust: {{file: /nowhere/idle.pem}}}}
certificates:
  - name: shop
    names: [shop.example.com]
    issuer: ca
    targets: [{{files: {{certificate: /etc/tls/shop.crt, key: /etc/tls/shop.key}}}}]
{more}
"""
LOCAL = "local_ca: {directory: /var/lib/ca}"
ADOPTING = "adopt: [{from: disk, match: {}, issuer: ca, trust: {file: FILE}}]"


def text(
    issuer: str = LOCAL, *, mode: str = "rotate", more: str = "", source: str = "{files: [/etc/tls/*.crt]}"
) -> str:
    return TEXT.format(issuer=issuer, mode=mode, more=more, source=source)


def found(config: str, path: Path) -> tuple[ConfigProblem, ...]:
    """What cannot be used now of a config that names this file."""
    return load_text(config.replace("FILE", str(path)), "c.yaml").not_ready()


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    ca = Authority("Root", not_before=NOW - DAY, not_after=NOW + timedelta(days=3650))
    path = tmp_path / "roots.pem"
    path.write_bytes(certificate_pem(ca.certificate))
    return path


@pytest.mark.parametrize(
    ("config", "place"),
    [
        (text(ACME + "roots: FILE}"), "issuers.ca.acme.roots"),
        (text(ACME + "ca_file: FILE}"), "issuers.ca.acme.ca_file"),
        (text(VAULT + "ca_file: FILE, auth: {token: '${env:HOME}'}}"), "issuers.ca.vault.ca_file"),
        (text(STEP + "ca_file: FILE}"), "issuers.ca.step_ca.ca_file"),
        (text("kubernetes_csr: {signer: example.com/ca, ca: {file: FILE}}"), "issuers.ca.kubernetes_csr.ca.file"),
        (text("local_ca: {ca_certificate: FILE, ca_key: FILE}"), "issuers.ca.local_ca.ca_certificate"),
        (text(LOCAL + ", trust: {file: FILE}"), "issuers.ca.trust.file"),
        (text(more="    trust: {file: FILE}"), "certificates[0].trust.file"),
        (text(more=ADOPTING), "adopt[0].trust.file"),
        (text(more="scan: {ca: [FILE]}"), "scan.ca[0]"),
        (text(more="alerts: {a: {webhook: {url: '${env:HOME}', ca: FILE}}}"), "alerts.a.webhook.ca"),
    ],
)
def test_a_file_of_certificates_is_looked_into(config: str, place: str, roots: Path, tmp_path: Path) -> None:
    """One that is not there, holds none, or is a folder is told where it is named, with the remedy; the config loads
    all the same, since the file may come later."""
    assert found(config, roots) == ()
    what = "the trusted roots" if place == "scan.ca[0]" or "trust" in place else "the certificates"
    problem = found(config, tmp_path / "gone.pem")[0]
    assert problem.path == place
    assert problem.message == (
        f"{what} in {tmp_path}/gone.pem cannot be read: No such file or directory; "
        "put it there, or mend the path in the config"
    )
    (tmp_path / "note.txt").write_text("no PEM")
    problem = found(config, tmp_path / "note.txt")[0]
    assert problem.path == place
    assert problem.message.startswith(f"{what} in {tmp_path}/note.txt cannot be read: no CERTIFICATE block")
    assert problem.message.endswith("; put another one there, or mend the path in the config")
    (tmp_path / "folder").mkdir()
    assert found(config, tmp_path / "folder")[0].path == place


@pytest.mark.parametrize(
    ("config", "place"),
    [
        (text(STEP.replace("key:", "password:") + "encrypted_key: FILE}"), "issuers.ca.step_ca.encrypted_key"),
        (
            text(VAULT + "auth: {certificate: {certificate: /etc/hostname, key: FILE}}}"),
            "issuers.ca.vault.auth.certificate.key",
        ),
        (text("kubernetes_csr: {signer: example.com/ca, kubeconfig: FILE}"), "issuers.ca.kubernetes_csr.kubeconfig"),
        (text(source="{kubernetes: {kubeconfig: FILE}}"), "sources.disk.kubernetes.kubeconfig"),
        (text(source="{files: {paths: [/a.crt], passwords_file: FILE}}"), "sources.disk.files.passwords_file"),
        (
            text(source="{endpoints: {endpoints: ['a.com:443'], client_certificate: FILE}}"),
            "sources.disk.endpoints.client_certificate",
        ),
    ],
)
def test_any_other_file_has_to_be_there(config: str, place: str, tmp_path: Path) -> None:
    """What is in it is for whoever uses it to say."""
    (problem,) = found(config, tmp_path / "gone")
    assert (problem.path, problem.message) == (
        place,
        f"{tmp_path}/gone cannot be read: No such file or directory; put it there, or mend the path in the config",
    )
    (tmp_path / "there").write_text("anything")
    assert found(config, tmp_path / "there") == ()


def test_of_several_kubeconfigs_one_is_enough(tmp_path: Path) -> None:
    """A list as of KUBECONFIG: those that are not there are passed over."""
    config = text(source="{kubernetes: {kubeconfig: 'FILE:/nowhere/config'}}")
    assert [problem.path for problem in found(config, tmp_path / "gone")] == ["sources.disk.kubernetes.kubeconfig"]
    (tmp_path / "there").write_text("anything")
    assert found(config, tmp_path / "there") == ()


def test_a_home_of_nobody_is_a_file_that_is_not_there(tmp_path: Path) -> None:
    """`~` of a user that there is not is told as any other path, and keeps nothing from starting."""
    (problem,) = found(text(source="{kubernetes: {kubeconfig: ~nobody-here/.kube/config}}"), tmp_path)
    assert problem.message.startswith("~nobody-here/.kube/config cannot be read: No such file")


@pytest.mark.parametrize(
    "config",
    [
        text(source="{kubernetes: {kubeconfig: FILE}}"),
        text(source="{files: {paths: [/a.crt], passwords_file: FILE}}"),
        text(more="    trust: {file: FILE}"),
        text(more="scan: {ca: [FILE]}"),
        text(more="state: {key: '${file:FILE}'}"),
    ],
)
def test_a_pipe_is_not_waited_for(config: str, tmp_path: Path) -> None:
    """Nobody may ever write to it: what is no regular file is told, not opened."""
    os.mkfifo(tmp_path / "pipe")
    (problem,) = found(config, tmp_path / "pipe")
    assert "cannot be read: it is no regular file" in problem.message


def test_a_path_that_the_system_refuses_is_a_mistake(tmp_path: Path) -> None:
    """With a NUL in it nothing can be asked for; it is told with its place, also beside what cannot be used yet."""
    (tmp_path / "c.yaml").write_text(text(more='    trust: {file: "/etc/tls\\0.pem"}'))
    with pytest.raises(ConfigError) as caught:
        load_ready(tmp_path / "c.yaml")
    assert ("certificates[0].trust.file", False) in {
        (problem.path, problem.unready) for problem in caught.value.problems
    }


@pytest.mark.parametrize("place", ["pipe", "/dev/zero"])
def test_a_baseline_that_is_no_file_is_not_waited_for(place: str, tmp_path: Path) -> None:
    """Nobody may ever write to a pipe, and some devices never end: neither the check nor the start is stuck on them."""
    os.mkfifo(tmp_path / "pipe")
    config = text(more=f"scan: {{baseline: {tmp_path / place}}}")
    (tmp_path / "c.yaml").write_text(config)
    with pytest.raises(ConfigError, match="the baseline cannot be read: it is no regular file"):
        load_ready(tmp_path / "c.yaml")
    with pytest.raises(ConfigError, match="the baseline cannot be read: it is no regular file"):
        load_text(config, "c.yaml").judgement()


def test_a_file_behind_a_link_is_one(tmp_path: Path) -> None:
    """As a cluster mounts ConfigMaps and Secrets."""
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "config").write_text("anything")
    (tmp_path / "config").symlink_to("..data/config")
    assert found(text(source="{kubernetes: {kubeconfig: FILE}}"), tmp_path / "config") == ()


def test_a_folder_of_hashed_roots_is_one_of_roots(roots: Path, tmp_path: Path) -> None:
    """As OpenSSL reads it; and as `scan` does, one of plain files, which is so wherever roots are named."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("0123abcd.0", "root.pem"):
        roots = roots.rename(folder / name)
        for more in ("    trust: {file: FILE}", "scan: {ca: [FILE]}"):
            assert found(text(more=more), folder) == ()


@pytest.mark.parametrize(
    "config",
    [
        text(ACME + "ca_file: FILE}"),
        text(VAULT + "ca_file: FILE, auth: {token: '${env:HOME}'}}"),
        text(more="alerts: {a: {webhook: {url: '${env:HOME}', ca: FILE}}}"),
    ],
)
def test_a_connection_needs_a_folder_of_hashed_names(config: str, roots: Path, tmp_path: Path) -> None:
    """OpenSSL passes over the other files of a folder, so nothing would verify: that is told, not found out later."""
    folder = tmp_path / "folder"
    folder.mkdir()
    roots = roots.rename(folder / "root.pem")
    (problem,) = found(config, folder)
    assert f"the certificates in {folder} cannot be read: OpenSSL sees no file" in problem.message
    assert "`openssl rehash`" in problem.message
    roots.rename(folder / "0123abcd.0")
    assert found(config, folder) == ()


@pytest.mark.parametrize(
    "config",
    [
        text(ACME + "roots: FILE}"),
        text("kubernetes_csr: {signer: example.com/ca, ca: {file: FILE}}"),
        text("local_ca: {ca_certificate: FILE, ca_key: /etc/hostname}"),
    ],
)
def test_what_an_issuer_reads_as_one_file_is_no_folder(config: str, roots: Path, tmp_path: Path) -> None:
    """`config check` takes what the issuer will take, and nothing else."""
    assert found(config, roots) == ()
    folder = tmp_path / "folder"
    folder.mkdir()
    roots.rename(folder / "0123abcd.0")
    (problem,) = found(config, folder)
    assert "cannot be read: it is no regular file" in problem.message


def test_an_issuer_that_nothing_is_rotated_with_needs_no_files(tmp_path: Path) -> None:
    """It may be set up later; what clients of a certificate trust is asked in observe mode as well."""
    config = text(ACME + "roots: FILE}, trust: {file: FILE}", mode="observe", more="    trust: {file: FILE}")
    assert [problem.path for problem in found(config, tmp_path / "gone")] == ["certificates[0].trust.file"]


@pytest.mark.parametrize("said", ["agree_terms: false", "profile: classic"])
def test_terms_that_nobody_has_agreed_to_are_told(said: str, tmp_path: Path) -> None:
    """Where a well-known CA signs, which has terms; what has an account already goes on, so the config loads."""
    (problem,) = found(text(f"acme: {{directory: letsencrypt, {said}}}"), tmp_path)
    assert problem.path == "issuers.ca.acme.agree_terms"
    assert (problem.line, problem.column) == ((4, 52) if said.startswith("agree") else (4, 8))
    assert problem.message == (
        "letsencrypt makes an account only for who agrees to its terms of service, which rotator never does by itself: "
        "read them, then set agree_terms: true (an account that has agreed to them goes on without it, but a lost "
        "state could make no other)"
    )


def test_terms_that_are_agreed_to_or_not_known_are_none(tmp_path: Path) -> None:
    """Whether a CA of one's own has terms only its directory says; observing needs no account."""
    assert found(text("acme: {directory: letsencrypt, agree_terms: true}"), tmp_path) == ()
    assert found(text("acme: {directory: 'https://ca.example/dir'}"), tmp_path) == ()
    assert found(text("acme: {directory: letsencrypt}", mode="observe"), tmp_path) == ()


def test_all_that_is_wrong_and_not_ready_comes_at_once(tmp_path: Path) -> None:
    """Mistakes, what cannot be used now as far as it can be read, and the mistakes of the baseline, file by file."""
    (tmp_path / "c.yaml").write_text(
        text(
            "acme: {directory: letsencrypt, ca_file: /nowhere.pem, email: nobody}",
            source="{kubernetes: {kubeconfig: /nowhere, kube_context: a, contexts: [b]}}",
            more="    lifetime: 5\n    trust: {file: /gone.pem}\nlimits: {at_once: 0}\n"
            f"scan: {{ca: [/none.pem], baseline: {tmp_path}/base.yaml}}\nstate: {{key: '${{env:ROTATOR_TEST_NONE}}'}}",
        )
    )
    (tmp_path / "base.yaml").write_text("accepted: [{rule: RT999}]\n")
    with pytest.raises(ConfigError) as caught:
        load_ready(tmp_path / "c.yaml")
    assert {problem.path for problem in caught.value.problems if not problem.unready} == {
        "sources.disk.kubernetes", "issuers.ca.acme.email", "certificates[0].lifetime", "limits.at_once",
        "accepted[0].rule",
    }  # fmt: skip
    assert [(problem.line, problem.path) for problem in caught.value.problems] == [
        (2, "sources.disk.kubernetes"),
        (2, "sources.disk.kubernetes.kubeconfig"),
        (4, "issuers.ca.acme.agree_terms"),
        (4, "issuers.ca.acme.ca_file"),
        (4, "issuers.ca.acme.email"),
        (11, "certificates[0].lifetime"),
        (12, "certificates[0].trust.file"),
        (13, "limits.at_once"),
        (14, "scan.ca[0]"),
        (15, "state.key"),
        (1, "accepted[0].rule"),
    ]


def test_a_config_that_is_ready_is_loaded(roots: Path, tmp_path: Path) -> None:
    """With nothing to tell."""
    (tmp_path / "c.yaml").write_text(text(more=f"    trust: {{file: {roots}}}"))
    assert load_ready(tmp_path / "c.yaml").not_ready() == ()
