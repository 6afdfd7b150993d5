"""Three targets in one Airflow: DAGs, windows and reports of their own, and what stays of those that are taken out."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

from tests.e2e.attacks import Attacks
from tests.e2e.conftest import DAG, Running

OTHERS = ("second", "third")
ENDED = ("success", "failed")


def schedules(running: Running) -> dict[str, str]:
    """Target → when its daily window is due, as Airflow knows it after reading the file again; without the first."""
    api = running.api("admin")
    api.request("PUT", f"/api/v2/parseDagFile/{api.get(f'/api/v2/dags/{DAG}')['file_token']}")
    found = api.get(f"/api/v2/dags?dag_id_pattern={DAG}__")["dags"]
    return {dag["dag_id"].removeprefix(f"{DAG}__"): dag["timetable_summary"] for dag in found}


def minutes(window: dict[str, str]) -> float:
    """How long a report's window is open."""
    due, deadline = (datetime.fromisoformat(window[name]) for name in ("due", "deadline"))
    return (deadline - due).total_seconds() / 60


def daily(running: Running, target: str) -> str:
    """Where the report is of one target's daily run by hand, of the calendar alone."""
    dag, api = DAG if target == "primary" else f"{DAG}__{target}", running.api("admin")
    assert api.request("PATCH", f"/api/v2/dags/{dag}", json={"is_paused": False}).status_code == 200
    body = {"logical_date": None, "conf": {"groups": ["calendar"]}}
    run = quote(str(api.request("POST", f"/api/v2/dags/{dag}/dagRuns", json=body).json()["dag_run_id"]), safe="")
    running.wait(lambda: api.get(f"/api/v2/dags/{dag}/dagRuns/{run}")["state"] in ENDED)
    return f"/upkeep/dags/{dag}/runs/{run}/report.json"


def test_three_targets_have_windows_of_their_own_and_leave_what_they_had(running: Running) -> None:
    """Each has its DAGs, its report, its lines of `overdue`; one that is taken out of config is told, and kept."""
    attack, viewer = Attacks(running), running.api("viewer")

    def three(config: dict[str, Any]) -> None:
        shared = {"connections": config["targets"]["primary"]["connections"]}
        own = {"windows": {"daily": {"cron": "15 4 * * *", "length_minutes": 20}}}
        config["targets"] |= {"second": {"title": "Second", **shared}, "third": {"title": "Third", **shared, **own}}

    def known() -> bool:
        found = schedules(running)
        return set(found) == set(OTHERS) and found["third"] == "15 4 * * *" != found["second"]

    with attack.config(three):
        running.wait(known)
        pages = [daily(running, target) for target in OTHERS]
        assert [minutes(viewer.get(page)["window"]) for page in pages] == [30, 20]
        lines = [line.split(maxsplit=3) for line in attack.upkeep("overdue").stdout.splitlines()]
        assert [line[:2] for line in lines] == [
            [target, cadence] for target in ("primary", *OTHERS) for cadence in ("daily", "weekly", "monthly")
        ]
        assert [" 04:15 UTC" in line[3] for line in lines if line[1] == "daily"] == [False, False, True]
        for target in OTHERS:  # a run that Airflow has made itself finds its target gone
            runs = f"/api/v2/dags/{DAG}__{target}/dagRuns?state=running&state=queued"
            running.wait(lambda runs=runs: not running.api("admin").get(runs)["dag_runs"])
    told = {finding["key"]: finding for finding in viewer.get(daily(running, "primary"))["findings"]}
    assert all("its reports stay readable" in told[f"calendar:removed:{target}"]["detail"] for target in OTHERS)
    assert [viewer.get(page)["target"]["title"] for page in pages] == ["Second", "Third"]
