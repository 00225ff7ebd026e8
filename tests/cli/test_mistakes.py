"""What goes wrong is one sentence on stderr with the right exit code, never a traceback, and nothing was started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.fleet import DAY, SECONDS, Fleet, call, program, run


def test_every_mistake_of_a_config_with_its_place(fleet: Fleet) -> None:
    """Two mistakes are two lines with file, line and column; exit 2, and no state was made."""
    fleet.write_config(
        more="certificates:\n  - {name: shop, names: [shop.example.com], issuer: cax, targets: []}\nfoo: 1\n"
    )
    ended = fleet.run("run", "--once")
    assert ended.returncode == 2
    assert ended.stdout == ""
    lines = ended.stderr.splitlines()
    assert lines[0].startswith(f"{fleet.config}:17:53: certificates[0].issuer")
    assert lines[-2].startswith(f"{fleet.config}:18:1: foo")
    assert lines[-1].endswith("mistakes in the config; nothing was started")
    assert "did you mean 'ca'?" in ended.stderr
    assert list((fleet.folder / "state").iterdir()) == []


def test_what_is_not_ready_is_counted_for_itself(fleet: Fleet) -> None:
    """It keeps nothing from starting, so nobody is told that: `config check` fails, and the daemon would begin."""
    fleet.put("shop", left=60 * DAY)
    fleet.write_config(more="scan: {ca: [/nowhere.pem, /nothing.pem]}\n")
    ended = fleet.run("config", "check")
    assert ended.returncode == 2
    assert ended.stderr.endswith("\nno mistake in the config; 2 things that it names cannot be used yet\n")
    assert fleet.run("plan").returncode == 0
    fleet.write_config(more="scan: {ca: [/nowhere.pem]}\nfoo: 1\n")
    ended = fleet.run("config", "check")
    assert ended.stderr.endswith(
        "\n1 mistake in the config; 1 thing that it names cannot be used yet; nothing was started\n"
    )


def test_what_is_trusted_is_read_the_same_way_by_all(fleet: Fleet) -> None:
    """A folder of roots is taken by the check, a scan and the daemon's audit alike, and an empty one told alike."""
    fleet.put("shop", left=60 * DAY)
    folder = fleet.folder / "roots"
    folder.mkdir()
    fleet.write_config(more=f"scan: {{ca: [{folder}]}}\n")
    said = f"the trusted roots in {folder} cannot be read: the folder has no file of a hashed name"
    ends = [fleet.run(*verb.split()) for verb in ("config check --offline", "scan", "run --once")]
    assert [said in ended.stderr for ended in ends] == [True, True, True]
    assert [ended.returncode for ended in ends] == [2, 2, 0]
    (folder / "ca.pem").write_bytes((fleet.folder / "ca" / "ca.crt").read_bytes())
    for verb in ("config check --offline", "scan", "run --once"):
        ended = fleet.run(*verb.split())
        assert (ended.returncode, "trusted roots" in ended.stderr) == (0, False), ended.stderr


@pytest.mark.parametrize("verb", ["plan", "run", "status", "verify", "rotate shop", "resume", "config check"])
def test_missing_config_says_what_to_do(tmp_path: Path, verb: str) -> None:
    """Without a config every verb that needs one names the path and the verb that writes one."""
    ended = call(*verb.split(), "--config", str(tmp_path / "none.yaml"))
    assert ended.exit_code == 2
    assert ended.stderr.count("\n") == 1
    assert f"rotator config init --config {tmp_path / 'none.yaml'}" in ended.stderr


@pytest.mark.parametrize("verb", ["plan --output foo", "account show --output foo", "revoke shop --reason foo"])
def test_a_word_that_is_no_choice(verb: str) -> None:
    """The choices, and nothing of how they were read."""
    ended = call(*verb.split())
    assert ended.exit_code == 2
    assert ": 'foo' is not one of '" in ended.stderr


def test_no_state_yet(fleet: Fleet) -> None:
    """What reads the state before the first run says who makes it."""
    for verb in ("status", "history"):
        ended = fleet.call(verb)
        assert ended.exit_code == 3
        assert "`rotator run` makes it" in ended.stderr


def test_unwritable_state(fleet: Fleet) -> None:
    """A state whose folder does not exist is one sentence; a deed is not done, and a scan goes on without it."""
    fleet.put("shop", left=20 * DAY)
    fleet.config.write_text(fleet.config.read_text().replace("/state/state.db", "/nowhere/state.db"))
    ended = fleet.call("run", "--once")
    assert ended.exit_code == 1
    assert ended.stderr.startswith("rotator: the folder ")
    assert fleet.call("scan").exit_code == 0


def test_damaged_state(fleet: Fleet) -> None:
    """A state that is no database is named as such; plan cannot decide, scan still looks."""
    fleet.put("shop", left=60 * DAY)
    (fleet.folder / "state" / "state.db").write_bytes(b"no database at all, only text")
    planned = fleet.call("plan")
    assert planned.exit_code == 3
    assert "damaged or no rotator state" in planned.stderr
    scanned = fleet.call("scan")
    assert scanned.exit_code == 0
    assert "shop.example.com" in scanned.stdout
    assert "as if for the first time" in scanned.stderr


def test_missing_state_key(fleet: Fleet) -> None:
    """Without the key that seals the state rotations stop with a sentence, and the old certificate stands."""
    fleet.put("shop", left=20 * DAY)
    assert fleet.call("run", "--once").exit_code == 0
    (fleet.folder / "state" / "state.db.key").unlink()
    fleet.put("mail", left=20 * DAY)
    before = fleet.stored("mail")
    ended = fleet.call("run", "--once")
    assert ended.exit_code == 1
    assert fleet.stored("mail") == before
    assert fleet.call("plan").exit_code == 0


@pytest.mark.parametrize("verb", ["show", "verify", "rotate", "rollback", "approve", "history"])
def test_unknown_certificate_gives_the_nearest_name(fleet: Fleet, verb: str) -> None:
    """A name that was mistyped is a mistake, and the one that was meant is named."""
    fleet.put("checkout", left=60 * DAY)
    assert fleet.call("run", "--once").exit_code == 0
    ended = fleet.call(verb, "chekout")
    assert ended.exit_code == 2
    assert ended.stderr == "rotator: there is no certificate 'chekout'; did you mean checkout?\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["rotate"],
        ["rotate", "shop", "--match", "*"],
        ["rotate", "--issuer", "nobody"],
        ["approve"],
        ["approve", "shop", "--surge"],
        ["pause"],
        ["pause", "--reason", "x", "--until", "soon"],
        ["history", "--limit", "0"],
        ["status", "--output", "yaml"],
        ["nonsense"],
    ],
)
def test_usage(fleet: Fleet, arguments: list[str]) -> None:
    """What makes no sense is exit 2 and a sentence, without a traceback."""
    ended = fleet.call(*arguments) if arguments != ["nonsense"] else call("nonsense")
    assert ended.exit_code == 2
    assert ended.stderr
    assert ended.stdout == ""


def test_unreachable_source_is_named_and_the_rest_goes_on(fleet: Fleet) -> None:
    """A source that cannot be looked at makes plan and scan end with 3, and hides nothing else."""
    fleet.put("shop", left=20 * DAY)
    text = fleet.config.read_text()
    fleet.config.write_text(text.replace("sources:\n", 'sources:\n  gone: {files: ["/nowhere/at/all.crt"]}\n'))
    planned = fleet.call("plan")
    assert planned.exit_code == 3
    assert "+ renew  shop" in planned.stdout
    assert "/nowhere/at/all.crt does not exist" in " ".join(planned.stdout.split())
    assert fleet.call("run", "--once").exit_code == 3
    assert fleet.call("status").exit_code == 3


def test_nobody_would_be_told(fleet: Fleet) -> None:
    """The daemon does not start when nobody would hear of anything and the config does not say that this is meant."""
    fleet.config.write_text(fleet.config.read_text().replace("alerts: none\n", ""))
    ended = fleet.call("run", "--once")
    assert ended.exit_code == 2
    assert "alerts: none" in ended.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    """`--debug` before the verb lets the error through."""
    ended = run("--debug", "plan", "--config", str(tmp_path / "none.yaml"))
    assert ended.returncode == 1
    assert "Traceback" in ended.stderr


def test_broken_pipe_is_quiet() -> None:
    """Whoever reads may stop reading (`rotator … | head -1`): nothing is said about it."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [program(), "config", "schema"], stdout=writing, stderr=subprocess.PIPE, timeout=SECONDS, check=False
        )
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_interrupted_is_quiet(tmp_path: Path) -> None:
    """Ctrl-C ends a verb with 130 and no traceback."""
    waits = tmp_path / "waits"
    os.mkfifo(waits)
    scanning = [program(), "scan", f"@{waits}"]
    with (
        subprocess.Popen(scanning, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
        waits.open("w"),  # returns when the verb has begun to read
    ):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert out == ""


def test_a_rotation_that_cannot_begin_is_not_done(fleet: Fleet) -> None:
    """Without the state key a forced rotation changes nothing, and says so: exit 1 and the reason, never `done`."""
    fleet.put("shop", left=20 * DAY)
    assert fleet.call("run", "--once").exit_code == 0
    (fleet.folder / "state" / "state.db.key").unlink()
    before = fleet.stored("shop")
    ended = fleet.call("rotate", "shop", "--force")
    assert ended.exit_code == 1
    assert ended.stdout.startswith("not done: shop could not begin: the state key")
    assert fleet.stored("shop") == before


def test_a_lost_state_key_is_said_before_something_is_due(fleet: Fleet) -> None:
    """A look without its key says that nothing can be renewed, although nothing has to be today."""
    fleet.put("shop", left=20 * DAY)
    assert fleet.call("run", "--once").exit_code == 0
    (fleet.folder / "state" / "state.db.key").unlink()
    ended = fleet.run("run", "--once")
    assert "nothing can be renewed" in ended.stderr
    assert "put the right key back" in ended.stderr


def test_a_pause_needs_a_reason(fleet: Fleet) -> None:
    """An empty reason is none."""
    ended = fleet.call("pause", "--reason", " ")
    assert ended.exit_code == 2
    assert "say why" in ended.stderr


def test_streams_that_were_closed(fleet: Fleet) -> None:
    """Started without standard input or output a verb does its work and ends as ever, without a traceback."""
    fleet.put("shop", left=60 * DAY)
    for closed, code in (("scan - <&-", 3), (f"scan {fleet.folder} >&-", 0), (f"scan {fleet.folder} 2>&-", 0)):
        ended = subprocess.run(
            ["sh", "-c", f"{program()} {closed}"], capture_output=True, text=True, check=False, timeout=SECONDS
        )
        assert ended.returncode == code, ended.stderr
        assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("output", ["table", "json"])
def test_standard_output_that_takes_no_more(fleet: Fleet, output: str) -> None:
    """A full disk under `> report` is one sentence and no success."""
    fleet.put("shop", left=60 * DAY)
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [program(), "scan", str(fleet.folder), "--output", output],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    assert ended.returncode == 3
    assert ended.stderr == "rotator: standard output cannot be written: No space left on device\n"


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_name_that_the_locale_does_not_have(fleet: Fleet, encoding: str) -> None:
    """Whatever a file is called, the table is printed and the JSON is JSON."""
    for name in ("bücher.crt".encode(), b"b\xff.crt"):
        Path(os.fsdecode(os.fsencode(fleet.folder) + b"/" + name)).touch()
    for output in ("table", "json"):
        ended = subprocess.run(
            [program(), "scan", str(fleet.folder), "--output", output],
            capture_output=True,
            check=False,
            timeout=SECONDS,
            env={**os.environ, "PYTHONIOENCODING": encoding},
        )
        assert ended.returncode == 1, ended.stderr
        if output == "json":
            places = [place["place"] for place in json.loads(ended.stdout)["places"]]
            assert any(r"b\xff.crt" in place for place in places)
            assert any("bücher.crt" in place for place in places)
