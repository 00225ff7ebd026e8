"""The path through the verbs, as a person walks it: the first one in processes of their own."""

from __future__ import annotations

import json

from tests.cli.fleet import DAY, Fleet


def test_plan_run_status_history_show_verify(fleet: Fleet) -> None:
    """What is due is planned, renewed, and found again in every report; what is not due is left alone."""
    fleet.put("due", left=20 * DAY)
    fine = fleet.put("fine", left=60 * DAY).read_bytes()
    before = fleet.stored("due")

    planned = fleet.run("plan")
    assert planned.returncode == 0, planned.stderr
    assert "+ renew  due  due" in planned.stdout
    assert "Plan: 1 to renew, 0 to reload, 0 waiting, 1 fine." in planned.stdout
    assert planned.stderr == ""
    assert list((fleet.folder / "state").iterdir()) == [], "a plan leaves nothing behind"
    assert fleet.stored("due") == before

    ran = fleet.run("run", "--once", "--output", "json")
    assert ran.returncode == 0, ran.stderr
    (outcome,) = json.loads(ran.stdout)["outcomes"]
    assert (outcome["certificate"], outcome["result"]) == ("due", "unproved")
    assert outcome["after"]["fingerprint"] == fleet.stored("due") != before
    assert (fleet.folder / "services" / "fine" / "tls.crt").read_bytes() == fine

    status = fleet.run("status")
    assert status.returncode == 0, status.stderr
    assert "0 to renew, 0 to reload, 0 waiting, 2 fine" in status.stdout
    assert "renew: due, until" in " ".join(fleet.call("history", "due").stdout.split())
    assert "accepted  ca      kept" in fleet.call("show", "due").stdout

    verified = fleet.call("verify")
    assert verified.exit_code == 0, verified.stderr
    assert "2 certificates: 2 stored, with no endpoint known." in verified.stdout


def test_rollback_is_held_until_it_is_approved(fleet: Fleet) -> None:
    """A rollback puts the previous certificate back for good; only after an approval does the newer one return."""
    fleet.put("shop", left=20 * DAY)
    assert fleet.call("run", "--once").exit_code == 0
    first = fleet.stored("shop")
    rotated = fleet.call("rotate", "shop", "--force", "--reason", "key leaked")
    assert rotated.exit_code == 0, rotated.stderr
    second = fleet.stored("shop")
    assert second != first

    back = fleet.call("rollback", "shop")
    assert back.exit_code == 0, back.stdout + back.stderr
    assert fleet.stored("shop") == first
    for _ in range(2):
        assert fleet.call("run", "--once").exit_code == 0
    assert fleet.stored("shop") == first
    assert "quarantined" in fleet.call("show", "shop").stdout

    assert fleet.call("approve", "shop").exit_code == 0
    for _ in range(2):
        fleet.call("run", "--once")
    assert fleet.stored("shop") == second
    asked = [entry["verb"] for entry in fleet.json("history")["asked"]]
    assert asked == ["approve", "rollback", "rotate"]


def test_pause_and_resume(fleet: Fleet) -> None:
    """What is paused is not renewed, says so everywhere, and is renewed after it is resumed."""
    fleet.put("shop", left=20 * DAY)
    before = fleet.stored("shop")
    paused = fleet.call("pause", "--reason", "black friday", "--until", "3d")
    assert paused.exit_code == 0, paused.stderr
    assert fleet.call("run", "--once").exit_code == 0
    assert fleet.stored("shop") == before
    assert "black friday" in fleet.call("status").stdout
    assert "due, paused" in fleet.call("plan").stdout
    assert fleet.call("resume").exit_code == 0
    assert fleet.call("run", "--once").exit_code == 0
    assert fleet.stored("shop") != before


def test_observe_mode_writes_nothing(fleet: Fleet) -> None:
    """In observe mode everything is seen and nothing is touched, however often it looks and whoever asks."""
    fleet.write_config(mode="observe")
    fleet.put("shop", left=-DAY)
    before = fleet.stored("shop")
    for _ in range(2):
        assert fleet.call("run", "--once").exit_code == 0
    asked = fleet.call("rotate", "shop", "--force")
    assert asked.exit_code == 1
    assert "observe" in asked.stdout
    assert fleet.stored("shop") == before
    assert "1 in observe mode" in fleet.call("plan").stdout


def test_first_look_acts_from_the_next_one_on(fleet: Fleet) -> None:
    """On an unknown world the first look only stores its plan and says so."""
    fleet.write_config(first_look="plan")
    fleet.put("shop", left=20 * DAY)
    before = fleet.stored("shop")
    first = fleet.call("run", "--once")
    assert first.exit_code == 0, first.stderr
    assert "from the next one on" in first.stdout
    assert fleet.stored("shop") == before
    assert fleet.call("run", "--once").exit_code == 0
    assert fleet.stored("shop") != before


def test_a_failed_rotation_is_exit_code_1(fleet: Fleet) -> None:
    """Where the issuer cannot sign, the old certificate stands, and the error is said."""
    fleet.put("shop", left=20 * DAY)
    before = fleet.stored("shop")
    (fleet.folder / "ca" / "ca.key").unlink()
    ran = fleet.call("run", "--once")
    assert ran.exit_code == 1
    assert "failed" in ran.stdout
    assert "restore the key from a backup" in " ".join(ran.stdout.split())
    assert "Traceback" not in ran.stderr
    assert fleet.stored("shop") == before
