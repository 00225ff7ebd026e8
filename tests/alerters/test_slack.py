"""Slack: messages nobody can be shouted at with, threads, and errors that come as 200."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rotator.alerters.slack import SlackAlerter, SlackSettings, payload
from rotator.conformance.alerter import example
from rotator.errors import AlertError
from rotator.settings import SecretRef
from tests.alerters.services import Service, SlackApi, clock, environment, slack_bot_message
from tests.servers.recorder import Recorder, json_response

TOKEN, HOOK = SecretRef("${env:SLACK_TOKEN}"), SecretRef("${env:SLACK_HOOK}")


def bot(url: str) -> SlackAlerter:
    return SlackAlerter("chat", SlackSettings(token=TOKEN, channel="#alerts", api=f"{url}/api"), clock())


def test_a_thread_follows_a_notice_to_its_end() -> None:
    """The first message opens a thread; what follows is replied there, and at the end the first one says so."""
    with Service(slack_bot_message, SlackApi()) as slack, environment(SLACK_TOKEN="xoxb-test"):
        receipt = bot(slack.url).send(example(), receipt=None)
        again = bot(slack.url).send(example(), receipt=receipt)
        bot(slack.url).send(replace(example(), resolved=True), receipt=again)
        calls = [(request.path.rpartition("/")[2], json.loads(request.body)) for request in slack.requests]
    assert receipt == again == '{"channel": "C024BE91L", "ts": "1700000000.000001"}'
    assert [name for name, _ in calls] == [
        "chat.postMessage", "chat.update", "chat.postMessage", "chat.update", "chat.postMessage",
    ]  # fmt: skip
    assert calls[0][1]["channel"] == "#alerts"
    assert calls[2][1]["thread_ts"] == "1700000000.000001"
    assert calls[2][1]["reply_broadcast"] is True
    assert calls[3][1]["text"].startswith("Over: ")
    assert calls[4][1]["reply_broadcast"] is False


def test_a_message_that_somebody_deleted_is_posted_anew() -> None:
    """A thread that is gone does not swallow the notice: a new one is opened."""
    with Service(slack_bot_message, SlackApi()) as slack, environment(SLACK_TOKEN="xoxb-test"):
        receipt = bot(slack.url).send(example(), receipt='{"channel": "C1", "ts": "1.1"}')
    assert receipt == '{"channel": "C024BE91L", "ts": "1700000000.000001"}'


@pytest.mark.parametrize(
    ("error", "permanent"),
    [("invalid_auth", True), ("channel_not_found", True), ("ratelimited", False), ("internal_error", False)],
)
def test_an_error_that_comes_as_200_is_one(error: str, permanent: bool) -> None:
    """`ok: false` is a failure, for good or in passing as its word says."""
    with (
        Recorder(default=json_response({"ok": False, "error": error})) as server,
        environment(SLACK_TOKEN="xoxb-test"),
        pytest.raises(AlertError, match=error) as caught,
    ):
        bot(server.url).send(example(), receipt=None)
    assert caught.value.permanent is permanent


def test_an_answer_that_is_no_json_is_tried_again() -> None:
    """A proxy's error page with status 200 is no delivery."""
    with (
        Recorder() as server,
        environment(SLACK_TOKEN="xoxb-test"),
        pytest.raises(AlertError, match="no JSON") as caught,
    ):
        bot(server.url).send(example(), receipt=None)
    assert not caught.value.permanent


@given(title=st.text(max_size=3000), detail=st.text(max_size=9000), command=st.text(max_size=5000))
def test_blocks_stay_within_what_slack_takes(title: str, detail: str, command: str) -> None:
    """No text is empty or has 3000 characters, and none of it can mention anybody."""
    message = payload(replace(example(), title=f"<!channel> {title}", detail=detail, command=command))
    for block in message["blocks"]:
        assert 0 < len(block["text"]["text"]) < 3000
    assert "<" not in message["text"]
    assert "<" not in message["blocks"][0]["text"]["text"]
    assert message["blocks"][1]["text"]["type"] == "plain_text"


def test_what_to_do_is_never_what_is_cut() -> None:
    """However long the detail, the command, the owner and the runbook stay."""
    text = payload(replace(example(), detail="x" * 100_000))["blocks"][1]["text"]["text"]
    assert text.endswith("Run: rotator rotate shop\nOwner: payments\nRunbook: docs/runbooks/failing.md")


@pytest.mark.parametrize(
    "settings",
    [{}, {"webhook": HOOK, "token": TOKEN, "channel": "#a"}, {"token": TOKEN}, {"webhook": HOOK, "channel": "#a"}],
)
def test_one_way_must_be_said(settings: dict[str, object]) -> None:
    """A webhook, or a token with its channel; half of one or both are mistakes."""
    with pytest.raises(ValidationError):
        SlackSettings.model_validate(settings)
