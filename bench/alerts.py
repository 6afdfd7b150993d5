"""What alerts promise: a storm is a few messages, and a fault is told soon after the watch has seen it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psycopg

from bench.measure import Result, size
from bench.platform import running_server
from sandbox.processes import Api
from sandbox.stack import Sandbox, open_sandbox
from upkeep.areas.alerts.body import Pages
from upkeep.areas.alerts.judge import judge
from upkeep.core.findings import Finding, Level
from upkeep.core.windows import Window, WindowKind
from upkeep.ledger.migrations.upgrade import upgrade
from upkeep.ledger.write import LookResult, StepRecord, add_report, add_step, open_window
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires import database

FINDINGS = size(10_000, 100)
MOST = 20
#: Seconds beyond those that the watch's samples take.
SLACK = 5.0
PATIENCE_SECONDS = 600.0


def storm() -> Result:
    """One window with so many warnings; judged until nothing more is told within the hour."""
    config, now = settings(), datetime.now(UTC)
    window = Window(
        *(config.targets[0], "daily", WindowKind.CALENDAR, now, now + timedelta(minutes=30)),
        *(now - timedelta(days=1), now, "scheduled__1", "maintenance_daily"),
        instance="1",
    )
    found = tuple(Finding(f"storm:{n}", Level.WARNING, f"table {n}", "seen") for n in range(FINDINGS))
    with running_server() as cluster:
        with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as admin:
            admin.execute("CREATE DATABASE upkeep")
        upgrade(lambda: psycopg.connect(cluster.dsn("upkeep")))

        def ledger() -> AbstractContextManager[database.Session]:
            connect = partial(psycopg.connect, cluster.dsn("upkeep"))
            return database.session(connect, config.maintenance.sql, read_only=False)

        with ledger() as session:
            open_window(session, window)
            add_step(session, window, StepRecord("tables.sizes", "ran", "", "", now, looked=LookResult(found)))
            add_report(session, window, level="warning", headline="a storm", html="", body={"steps": []})
        began = time.monotonic()
        for minute in range(0, 60, 10):
            at = now + timedelta(minutes=1 + minute)
            with ledger() as session:
                judge(session, config, None, config.routing.names, Pages(lambda _, run: run, ""), lambda run: True, at)
        took = (time.monotonic() - began) / 6
        with psycopg.connect(cluster.dsn("upkeep")) as asked:
            messages: dict[str, int] = dict(
                asked.execute("SELECT channel, count(*) FROM upkeep.outbox GROUP BY channel").fetchall()
            )
            (alerts,) = asked.execute("SELECT count(*) FROM upkeep.alerts").fetchone() or (0,)
    said = ", ".join(f"{count} by {name}" for name, count in sorted(messages.items()))
    return Result(
        f"a storm of {FINDINGS:,} findings: messages within the hour",
        f"{said}; {alerts:,} in the ledger",
        f"at most {MOST} a channel, none lost",
        bool(messages) and max(messages.values()) <= MOST and alerts == FINDINGS,
        (f"a look took {took:.1f} s",),
    )


def latency() -> Result:
    """A sandbox of its own: from the command that plants a fault to its SMS, without any window, and so for its end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "sandbox"
        environ = {**os.environ, "UPKEEP_SANDBOX": str(folder), "UPKEEP_SANDBOX_WATCH_SECONDS": str(size(30, 5))}
        command = [sys.executable, "-m", "sandbox"]

        def sandbox(*arguments: str) -> None:
            subprocess.run([*command, *arguments], env=environ, cwd=ROOT, check=True, stdout=sys.stderr)

        sandbox("up")
        try:
            return _measure(open_sandbox(folder), sandbox)
        finally:
            sandbox("down")


def _measure(running: Sandbox, sandbox: Callable[..., None]) -> Result:
    watch = settings(running.folder / "config").maintenance.watch
    goal = watch.every_seconds * watch.samples + SLACK
    dag = "/api/v2/dags/maintenance_alerts"
    Api(running, "admin").request("PATCH", dag, json={"is_paused": False}).raise_for_status()
    _until(lambda: _polls(running) >= 2)
    took = []
    for said, *planted in (("CRITICAL", "fault", "error-burst"), ("Over", "heal", "error-burst")):
        sandbox(*planted)
        began = time.monotonic()
        _until(lambda said=said: any(text.startswith(said) for text in _sms(running)))  # type: ignore[misc]
        took.append(time.monotonic() - began)
    return Result(
        f"a planted fault to its SMS, {watch.samples} samples each {watch.every_seconds} s, no window",
        f"{took[0]:.0f} s (its end: {took[1]:.0f} s)",
        f"at most {goal:.0f} s",
        max(took) <= goal,
        (f"SMS: {len(_sms(running))}",),
    )


def _polls(running: Sandbox) -> int:
    with psycopg.connect(running.dsn("upkeep", "upkeep_dashboard")) as asked:
        return int((asked.execute("SELECT count(*) FROM upkeep.watch_samples").fetchone() or (0,))[0])


def _sms(running: Sandbox) -> list[str]:
    file = running.folder / "sms.jsonl"
    texts = [str(json.loads(line)["message"]) for line in file.read_text().splitlines()] if file.exists() else []
    return [text for text in texts if "error rate" in text.lower()]


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"found no change after {PATIENCE_SECONDS:g} s")
        time.sleep(0.2)
