"""Tests of the issuer `command`."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from rotator.core.model import PreflightRequest
from rotator.core.pem import key_matches
from rotator.errors import IssueError, Pending
from rotator.issuers.command import CommandIssuer, CommandSettings
from tests.issuers.asking import Drawer, ask, issue, real_clock
from tests.servers.service import has_ended

SIGNER = Path(__file__).with_name("signer.py")
DAY = timedelta(days=1)


def command(*argv: str, **settings: object) -> CommandIssuer:
    """The issuer with this command."""
    chosen = CommandSettings.model_validate({"command": list(argv), **settings})
    return CommandIssuer("script", chosen, real_clock(), Drawer())


def shell(script: str, **settings: object) -> CommandIssuer:
    """The issuer with a command that is a few lines of shell."""
    return command("/bin/sh", "-c", script, **settings)


def signer(folder: Path) -> CommandIssuer:
    """The issuer with a CA that asks for patience once."""
    return command(sys.executable, "-I", str(SIGNER), str(folder), retry_after="7s")


def test_a_pending_request_is_taken_up_with_its_token(tmp_path: Path) -> None:
    """Status 75: the first line is checkpointed; the next call hands it over and gets the chain."""
    tokens: list[str] = []
    issuer, asked = signer(tmp_path), ask("shop.example.com", "www.example.com", lifetime=3 * DAY)

    with pytest.raises(Pending) as pending:
        issue(issuer, asked, checkpoint=tokens.append)
    chain = issue(issuer, asked, resume=tokens[-1])

    assert pending.value.retry_after == timedelta(seconds=7)
    assert len(tokens) == 1
    assert chain.names == ("shop.example.com", "www.example.com")
    assert key_matches(chain, asked.key)
    assert abs(chain.lifetime - 3 * DAY) < timedelta(minutes=5)


def test_pending_without_a_token_keeps_none() -> None:
    """A command that needs no token to go on prints none."""
    tokens: list[str] = []

    with pytest.raises(Pending):
        issue(shell("exit 75"), ask("shop.example.com"), checkpoint=tokens.append)

    assert tokens == []


def test_a_token_that_could_not_come_back_is_refused() -> None:
    """It returns through the environment, which has limits; a silent cut would resume the wrong thing."""
    tokens: list[str] = []

    with pytest.raises(IssueError, match="no token") as refused:
        issue(shell("head -c 5000 /dev/zero | tr '\\0' x; exit 75"), ask("shop.example.com"), checkpoint=tokens.append)

    assert refused.value.permanent
    assert tokens == []


def test_the_command_learns_what_is_asked_for(tmp_path: Path) -> None:
    """Names, lifetime and profile are in the environment, the request on standard input, the key nowhere."""
    asked = ask("shop.example.com", "10.0.0.1", lifetime=DAY, profile="web")
    script = f"env > {tmp_path}/env; cat > {tmp_path}/in; exit 1"

    with pytest.raises(IssueError):
        issue(shell(script), asked, resume="ticket 7")

    environment = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert {name: value for name, value in environment.items() if name.startswith("ROTATOR_")} == {
        "ROTATOR_NAMES": "shop.example.com,10.0.0.1",
        "ROTATOR_LIFETIME": "86400",
        "ROTATOR_PROFILE": "web",
        "ROTATOR_RESUME": "ticket 7",
    }
    assert (tmp_path / "in").read_bytes() == asked.request.csr


def test_secrets_are_read_for_every_call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A secret that was rotated is seen by the next call, and one that is missing is one sentence."""
    issuer = shell('echo "got $CA_PASSWORD"; exit 1', environment={"CA_PASSWORD": "${env:SCRIPT_PASSWORD}"})

    monkeypatch.setenv("SCRIPT_PASSWORD", "first")
    with pytest.raises(IssueError, match="got first"):
        issue(issuer, ask("shop.example.com"))
    monkeypatch.setenv("SCRIPT_PASSWORD", "second")
    with pytest.raises(IssueError, match="got second"):
        issue(issuer, ask("shop.example.com"))
    monkeypatch.delenv("SCRIPT_PASSWORD")
    with pytest.raises(IssueError, match=r"^script: the environment variable SCRIPT_PASSWORD is not set") as missing:
        issue(issuer, ask("shop.example.com"))

    assert missing.value.permanent


@pytest.mark.parametrize(
    ("status", "permanent"), [(1, False), (2, False), (63, False), (64, True), (77, True), (78, True), (79, False)]
)
def test_the_status_says_whether_trying_again_can_help(status: int, permanent: bool) -> None:
    """64 to 78 are for good, 75 apart; the first line that was printed is the sentence."""
    script = f"echo >&2; echo 'policy: not yours' >&2; echo 'see the handbook' >&2; exit {status}"

    with pytest.raises(IssueError) as failed:
        issue(shell(script), ask("shop.example.com"))

    assert str(failed.value) == f"script: /bin/sh ended with status {status}: policy: not yours"
    assert failed.value.permanent is permanent


def test_what_it_prints_cannot_confuse_a_terminal_or_fill_a_log() -> None:
    """Control characters are replaced, and a long line is cut."""
    with pytest.raises(IssueError) as failed:
        issue(shell(r"printf '\033[2Jhidden'; head -c 5000 /dev/zero | tr '\0' x; exit 1"), ask("shop.example.com"))

    assert "\033" not in str(failed.value)
    assert len(str(failed.value)) < 400


@pytest.mark.parametrize(
    "script",
    ["true", "echo '<html>502</html>'", "echo '-----BEGIN CERTIFICATE-----'; echo half", "head -c 50000000 /dev/zero"],
    ids=["nothing", "html", "half", "50 MB"],
)
def test_an_answer_that_is_no_chain_is_an_error(script: str) -> None:
    """Status 0 alone is no certificate; the answer is bounded, and the sentence does not repeat it."""
    with pytest.raises(IssueError, match=r"^script: /bin/sh answered with something that is no certificate") as failed:
        issue(shell(script), ask("shop.example.com"))

    assert not failed.value.permanent
    assert len(str(failed.value)) < 300


def test_a_command_that_never_ends_is_ended_with_all_it_started(tmp_path: Path) -> None:
    """The limit holds although a child of the command would run on, and the child is gone too."""
    began = time.monotonic()
    with pytest.raises(IssueError, match=r"did not end within 0\.5 s") as failed:
        issue(shell(f"sh -c 'sleep 600' & echo $! > {tmp_path}/pid; wait", timeout="500ms"), ask("shop.example.com"))

    assert not failed.value.permanent
    assert time.monotonic() - began < 10
    child = int((tmp_path / "pid").read_text())
    assert has_ended(child, seconds=10)


def test_a_command_that_is_not_there_is_said() -> None:
    """A typing error in the config names the program."""
    with pytest.raises(IssueError, match=r"^script: `/no/such/signer` could not be started"):
        issue(command("/no/such/signer"), ask("shop.example.com"))


@pytest.mark.parametrize(
    "settings",
    [{"command": []}, {"command": ["x"], "timeout": "0s"}, {"command": ["x"], "environment": {"A": "in the open"}}],
)
def test_a_mistake_in_the_settings_is_refused(settings: dict[str, object]) -> None:
    """No command, no time, and a secret written into the config are mistakes."""
    with pytest.raises(ValidationError):
        CommandSettings.model_validate(settings)


def test_the_preflight_looks_at_what_is_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is not there or may not run and a secret that is missing are told; the CA itself is not asked."""
    script = tmp_path / "ca"
    request = PreflightRequest(("shop.example.com",))
    (program, *_) = command(str(script)).preflight(request)
    assert (program.name, program.problem) == ("program", f"there is no program {script}")
    script.write_text("#!/bin/sh\ntouch asked\n")
    script.chmod(0o600)
    assert command(str(script)).preflight(request)[0].remedy == f"`chmod +x {script}`"
    script.chmod(0o700)
    issuer = command(str(script), environment={"TOKEN": "${env:CORPORATE_CA_TOKEN}"})
    monkeypatch.delenv("CORPORATE_CA_TOKEN", raising=False)
    found = {check.name: check for check in issuer.preflight(request)}
    assert not found["program"].problem
    assert "CORPORATE_CA_TOKEN is not set" in found["environment"].problem
    monkeypatch.setenv("CORPORATE_CA_TOKEN", "x")
    found = {check.name: check for check in issuer.preflight(request)}
    assert not any(check.problem for check in found.values())
    assert not found["signing"].told
    assert list(tmp_path.iterdir()) == [script]
