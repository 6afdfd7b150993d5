"""Backfills that cannot be meant: Airflow refuses each and says why, and no run is made that is never explained."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import yaml

from tests.e2e.attacks import Attacks
from tests.e2e.conftest import Running
from tests.e2e.weekly import DAG, RUNS
from upkeep.core.windows import Cadence

WEEK, MINUTE = timedelta(weeks=1), timedelta(minutes=1)
BACKFILLS = "/api/v2/backfills"


@pytest.fixture
def paused(running: Running) -> Iterator[Attacks]:
    """The weekly DAG paused, so that no run of a backfill begins."""
    attack = Attacks(running)
    before = attack.request("admin", "GET", f"/api/v2/dags/{DAG}").json()["is_paused"]
    attack.pause(True)
    yield attack
    attack.pause(before)


def backfill(attack: Attacks, first: datetime, last: datetime) -> requests.Response:
    """Ask for one as dora, over what is due from the first to the last moment."""
    body: dict[str, Any] = {"dag_id": DAG, "from_date": first.isoformat(), "to_date": last.isoformat()}
    return attack.request("dora", "POST", BACKFILLS, json=body | {"dag_run_conf": {}, "reprocess_behavior": "none"})


def test_one_that_reaches_into_the_future_ends_with_the_present(paused: Attacks) -> None:
    """Next Sunday's slot stays the schedule's: only what has been due is among the runs that would be made."""
    config = yaml.safe_load((paused.running.sandbox.folder / "config" / "maintenance.yaml").read_text())
    weekly, now = Cadence(**config["windows"]["weekly"]), datetime.now(UTC)
    first = weekly.before(now - WEEK)
    body = {"dag_id": DAG, "from_date": first.isoformat(), "to_date": (now + 3 * WEEK).isoformat()}
    made = paused.request("dora", "POST", f"{BACKFILLS}/dry_run", json=body | {"reprocess_behavior": "completed"})
    assert made.status_code == 200, made.text
    dues = [datetime.fromisoformat(found["logical_date"]) for found in made.json()["backfills"]]
    assert first in dues
    assert max(dues) <= now


def test_of_the_future_of_nothing_and_two_over_one_range(paused: Attacks) -> None:
    """One goes through and makes one run; all others are refused with the reason and make none."""
    config = yaml.safe_load((paused.running.sandbox.folder / "config" / "maintenance.yaml").read_text())
    weekly, now = Cadence(**config["windows"]["weekly"]), datetime.now(UTC)
    slot = weekly.before(now - 30 * WEEK)
    made = {run["dag_run_id"] for run in paused.request("admin", "GET", f"{RUNS}?limit=200").json()["dag_runs"]}
    run = f"backfill__{slot.isoformat()}"
    try:
        for first, last, why in (
            (now + MINUTE, now + 3 * WEEK, "future"),
            (slot + MINUTE, slot + 2 * MINUTE, "No runs to create"),
            (slot, slot - WEEK, "from_date"),
        ):
            refused = backfill(paused, first, last)
            assert (refused.status_code, why in refused.text) == (422, True), refused.text
        accepted = backfill(paused, slot, slot)
        assert accepted.status_code == 200, accepted.text
        refused = backfill(paused, slot, slot)
        assert (refused.status_code, "already a running backfill" in refused.text) == (409, True), refused.text
        runs = {found["dag_run_id"] for found in paused.request("admin", "GET", f"{RUNS}?limit=200").json()["dag_runs"]}
        assert runs - made == {run}
        ended = paused.request("admin", "PUT", f"{BACKFILLS}/{accepted.json()['id']}/cancel")
        assert ended.status_code == 200, ended.text
    finally:
        assert paused.request("admin", "DELETE", paused.path(run)).status_code in (200, 204)
    assert paused.running.ledger("SELECT 1 FROM upkeep.windows WHERE run_id = %s", run) == []
