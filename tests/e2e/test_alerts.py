"""A fault is told once on each channel that it concerns, and so is its end; looked at in the sandbox's sinks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e.conftest import ALERTS, Running

CAUSE = "Error rate"


@pytest.fixture
def unpaused(running: Running) -> Iterator[None]:
    """The DAG runs, and has told all that was so before; afterwards it is paused: other tests need none of it."""
    admin = running.api("admin")
    assert admin.request("PATCH", ALERTS, json={"is_paused": False}).ok
    window(running)
    running.wait(lambda: idle(running))
    yield
    running.wait(lambda: idle(running))
    assert admin.request("PATCH", ALERTS, json={"is_paused": True}).ok


def idle(running: Running) -> bool:
    """Whether the last report has been judged, nothing runs, and nothing waits to be sent."""
    runs = running.api("admin").get(f"{ALERTS}/dagRuns?order_by=-run_after&limit=50")["dag_runs"]
    ((reported,),) = running.ledger("SELECT max(made_at) FROM upkeep.reports")
    started = [datetime.fromisoformat(run["start_date"]) for run in runs if run["state"] == "success"]
    ((waiting,),) = running.ledger("SELECT count(*) FROM upkeep.outbox WHERE state = 'due'")
    ended = all(run["state"] in ("success", "failed") for run in runs)
    return ended and not waiting and max(started, default=reported) > reported


def said(running: Running) -> dict[str, list[str]]:
    """Channel → the headline of each message about the error rate, oldest first."""
    found = {}
    for name, field in (("mail", "subject"), ("slack", "text"), ("sms", "message")):
        file = running.sandbox.folder / f"{name}.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        texts = [text for line in lines for text in changes_in(json.loads(line), field)]
        found[name] = [text.partition(" · ")[0] for text in texts if CAUSE.lower() in text.lower()]
    return found


def changes_in(message: dict[str, Any], field: str) -> list[str]:
    """What a message says, a line for each change; where much has been told in an hour, several share one."""
    if " changes: " not in message[field]:
        return [str(message[field])]
    if "blocks" in message:
        return [str(block["text"]["text"]) for block in message["blocks"]]
    lines = str(message.get("text", message[field])).splitlines()
    return [line.removeprefix("- ") for line in lines if line.startswith("- ")]


def window(running: Running) -> None:
    """A daily run of health alone, to its end."""
    assert running.finish(running.trigger({"groups": ["health"]})) in ("success", "failed")


@pytest.mark.usefixtures("unpaused")
@pytest.mark.guide("G107", "fires", "silent")
@pytest.mark.guide("G114", "G115", "G116", "fires", "silent")
def test_a_critical_fault_is_told_once_by_mail_chat_and_sms_and_so_is_its_end(running: Running) -> None:
    """Planted by the command that a person types; events that somebody posts by hand change nothing."""
    before = said(running)
    assert running.cli("fault", "error-burst").returncode == 0
    try:
        window(running)
        running.wait(lambda: all(len(texts) > len(before[name]) for name, texts in said(running).items()))
        event = {"asset_id": asset(running), "extra": {"level": "critical"}}
        assert running.api("admin").request("POST", "/api/v2/assets/events", json=event).ok
        window(running)
        running.wait(lambda: idle(running))
    finally:
        assert running.cli("heal", "error-burst").returncode == 0
    told = {name: texts[len(before[name]) :] for name, texts in said(running).items()}
    assert {name: len(texts) for name, texts in told.items()} == {"mail": 1, "slack": 1, "sms": 1}, told
    assert {texts[0].split(" ")[0] for texts in told.values()} == {"CRITICAL"}
    window(running)
    running.wait(lambda: all(len(texts) > len(before[name]) + 1 for name, texts in said(running).items()))
    running.wait(lambda: idle(running))
    ends = {name: texts[len(before[name]) + 1 :] for name, texts in said(running).items()}
    assert {name: [text.split(" ")[0] for text in texts] for name, texts in ends.items()} == {
        name: ["Over"] for name in ("mail", "slack", "sms")
    }


@pytest.mark.usefixtures("unpaused")
@pytest.mark.guide("G31", "G107", "fires", "silent")
def test_the_watch_tells_a_fault_and_its_end_once_without_any_window(running: Running) -> None:
    """In Airflow's triggerer, which is killed when it has seen it: the one that follows tells nothing again.

    Nor does anything come of what an op writes meanwhile into Airflow's state of the asset, or of their events.
    """
    running.wait(lambda: level(running) == "ok")
    begun = datetime.now(UTC)
    before, windows = said(running), running.windows(begun)
    assert running.cli("fault", "error-burst").returncode == 0
    try:
        running.wait(lambda: level(running) == "critical", most=0.2)
        meddle(running, "ok")
        running.kill("triggerer")
        running.wait(lambda: all(since(running, before).values()))
        killed = samples(running)
        running.wait(lambda: samples(running) >= killed + 4)
        running.wait(lambda: idle(running))
    finally:
        assert running.cli("heal", "error-burst").returncode == 0
    assert since(running, before) == {name: ["CRITICAL"] for name in ("mail", "slack", "sms")}
    running.wait(lambda: all(len(words) > 1 for words in since(running, before).values()))
    judged = meddle(running, "critical")
    running.wait(lambda: runs(running) > judged)
    running.wait(lambda: idle(running))
    assert since(running, before) == {name: ["CRITICAL", "Over"] for name in ("mail", "slack", "sms")}
    assert running.windows(begun) == windows


def since(running: Running, before: dict[str, list[str]]) -> dict[str, list[str]]:
    """Channel → the first word of each message about the error rate that has come since."""
    return {name: [text.split(" ")[0] for text in texts[len(before[name]) :]] for name, texts in said(running).items()}


def level(running: Running) -> str | None:
    """What the watch says of the error rate, as long as it polls."""
    rows = running.ledger(
        "SELECT level FROM upkeep.watch_states WHERE key = 'metric:error_rate' AND last > now() - interval '15 s'"
    )
    return str(rows[0][0]) if rows else None


def samples(running: Running) -> int:
    """Polls so far."""
    return int(running.ledger("SELECT count(*) FROM upkeep.watch_samples")[0][0])


def meddle(running: Running, level: str) -> int:
    """An op writes into what Airflow keeps for the watch's asset and posts an event; how many runs there were."""
    number, operator, had = asset(running, "upkeep_alerts"), running.api("operator"), runs(running)
    kept = f"/api/v2/assets/{number}/state-store"
    assert operator.request("DELETE", kept).status_code == 204
    for key in ("metric:error_rate", "upkeep_watch", "primary"):
        written = operator.request("PUT", f"{kept}/{key}", json={"value": {"level": level, "slot": "2100-01-01"}})
        assert written.status_code == 204
    assert running.api("admin").get(kept)["total_entries"] == 3
    payload = {"target": "primary", "changed": ["metric:error_rate"], "level": level}
    event = {"asset_id": number, "extra": {"from_trigger": True, "payload": payload}}
    assert operator.request("POST", "/api/v2/assets/events", json=event).ok
    return had


def runs(running: Running) -> int:
    """How often people's messages have been worked out so far."""
    return int(running.api("admin").get(f"{ALERTS}/dagRuns?limit=1")["total_entries"])


def asset(running: Running, name: str = "upkeep_report") -> int:
    """The number of what reports announce, or of what the watch does."""
    found = running.api("admin").get(f"/api/v2/assets?name_pattern={name}")["assets"]
    return int(found[0]["id"])
