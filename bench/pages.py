"""What the pages promise: answered soon with a full ledger and ten viewers, and small; over real HTTP.

A viewer opens a page, looks at it for three seconds, and opens the next one: ten of them ask for three pages a second,
which is more than people do who read what they open (Home asks anew by itself each 30 s). Each is another person and
holds every role, so the pages have all their forms. Meanwhile the ledger goes on: each 30 s the watch polls and a step
of some window is recorded. How many pages a second are answered when nobody pauses is printed as well.

With ``UPKEEP_BENCH=large`` five times as many samples too: how much longer it takes then.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psutil
import psycopg
import requests

from bench.full_history import fill_alerts, fill_history
from bench.full_ledger import TARGETS, fill
from bench.measure import Result, size
from bench.people import config_of
from bench.platform import running_server
from bench.viewers import Seen, living, page, painted, session_of, viewed
from sandbox.ports import free_port
from upkeep.ledger.migrations.upgrade import upgrade
from upkeep.settings.base import METRICS

GOAL_MS, GOAL_KB, GOAL_RATIO, GOAL_PAINT_MS, GOAL_MB = 100.0, 150.0, 1.5, 1000.0, 50.0
SAMPLES, VIEWERS = size(1_000_000, 2_000), size(10, 2)
LARGE = os.environ.get("UPKEEP_BENCH") == "large"
#: How often each viewer opens each page, and for how long they look at one before they open the next: seconds.
ROUNDS, LOOKS_AT = size(4, 1), size(3.0, 0.0)
PATIENCE_SECONDS = 120.0

TABLE = "of=table_bytes%7Cpublic.thing_3"
PAGES = {
    "Home": "/",
    "Windows": "/windows",
    "Findings": "/findings",
    "Trends, the watch, 7 days": "/trends?of=response_time&range=7d",
    "Trends, the watch, 2 years": "/trends?of=latency%7Ctrust-scorer&range=2y",
    "Trends, a table, 90 days": f"/trends?{TABLE}&range=90d",
    "Trends, a table, 2 years": f"/trends?{TABLE}&range=2y",
    "Databases, tables": "/databases",
    "Databases, indexes": "/databases?of=indexes",
    "Databases, statements": "/databases?of=statements",
    "Checklists": "/checklists",
    "Checklists of one target": f"/checklists?target={TARGETS[0]}",
    "Guide": "/guide",
}

#: Those that a browser paints as well.
PAINTED = dict(list(PAGES.items())[: size(len(PAGES), 2)])


@dataclass(frozen=True)
class Measured:
    """Of each page its times and its size (kB); its first paint (ms) where there is a Chromium.

    ``cpu`` is the server's processor time for a page (ms, mean of all), which other work on the machine changes least;
    ``rate`` is pages a second when nobody pauses, ``grown`` what the server's memory has grown by (MB).
    """

    samples: int
    seen: dict[str, Seen]
    sizes: dict[str, float]
    paints: dict[str, float]
    cpu: float
    rate: float
    grown: float

    @property
    def slowest(self) -> float:
        """The p95 of the slowest page."""
        return max(one.p95 for one in self.seen.values())


def run() -> Result:
    """Ten viewers go through all pages; the slowest page's p95, the largest page, the latest paint, the memory."""
    one = measured(SAMPLES)
    largest, latest = max(one.sizes.values()), max(one.paints.values(), default=float("nan"))
    found = f"{one.slowest:.0f} ms, {largest:.0f} kB, first paint {latest:.0f} ms, {one.grown:.0f} MB"
    goal = f"below {GOAL_MS:g} ms, at most {GOAL_KB:g} kB, {GOAL_PAINT_MS:g} ms, {GOAL_MB:g} MB"
    met = one.slowest < GOAL_MS and largest <= GOAL_KB and latest <= GOAL_PAINT_MS and one.grown <= GOAL_MB
    lines = [
        f"{name:<28} p95 {seen.p95:5.0f} ms, median {seen.median:4.0f} ms, {one.sizes[name]:4.0f} kB, "
        f"first paint {one.paints.get(name, float('nan')):4.0f} ms"
        for name, seen in one.seen.items()
    ]
    lines.append(f"{one.cpu:.0f} ms of the server's CPU a page; without pauses {one.rate:.1f} pages a second")
    if LARGE:
        full = measured(5 * SAMPLES)
        ratios = {name: full.seen[name].p95 / seen.p95 for name, seen in one.seen.items()}
        found += f"; {max(ratios.values()):.2f} × with {full.samples / 1e6:.1f} M samples"
        goal += f", at most {GOAL_RATIO:g} ×"
        met = met and max(ratios.values()) <= GOAL_RATIO
        lines += [
            f"{name:<28} p95 {full.seen[name].p95:5.0f} ms, {ratio:.2f} × with {full.samples / 1e6:.1f} M samples"
            for name, ratio in ratios.items()
        ]
    what = f"pages with {one.samples / 1e6:.1f} M samples and {VIEWERS} viewers: p95 and size of the worst"
    return Result(what, found, goal, met, tuple(lines))


def measured(wanted: int) -> Measured:
    """Fill a ledger, serve its pages, and look at them."""
    with running_server() as cluster:
        with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as admin:
            admin.execute("CREATE DATABASE upkeep")
        dsn = cluster.dsn("upkeep")
        samples = filled(dsn, wanted)
        with serving(dsn) as (url, server):
            return _looked_at(url, dsn, server, samples)


def filled(dsn: str, wanted: int) -> int:
    """A ledger of two years; how many samples it has."""
    upgrade(lambda: psycopg.connect(dsn))
    now = datetime.now(UTC)
    with psycopg.connect(dsn, autocommit=True) as connection:
        samples = fill(connection, METRICS, wanted, now)
        fill_history(connection)
    with tempfile.TemporaryDirectory() as folder:
        fill_alerts(partial(psycopg.connect, dsn), config_of(list(TARGETS), Path(folder)), now)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("ANALYZE")
    return samples


@contextmanager
def serving(dsn: str) -> Iterator[tuple[str, psutil.Process]]:
    """The pages in a process of their own; yields where, and the process."""
    with tempfile.TemporaryDirectory() as home:
        port = free_port()
        command = [sys.executable, "-W", "ignore", "-m", "bench.serving", dsn, str(port), *TARGETS]
        server = subprocess.Popen(command, env={**os.environ, "AIRFLOW_HOME": home})
        try:
            url = f"http://127.0.0.1:{port}"
            until = time.monotonic() + PATIENCE_SECONDS
            while not _answers(url):
                if server.poll() is not None or time.monotonic() > until:
                    raise RuntimeError("the pages' process did not begin to answer")
                time.sleep(0.1)
            yield url, psutil.Process(server.pid)
        finally:
            server.terminate()
            server.wait()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/static/upkeep.css", timeout=5).ok
    except requests.ConnectionError:
        return False


def _looked_at(url: str, dsn: str, server: psutil.Process, samples: int) -> Measured:
    """Each page once, to warm up and to weigh it; then by ten people; then without pauses; then in a browser."""
    before = server.memory_info().rss
    sizes = {name: len(page(session_of(0), url + path)[1]) / 1024 for name, path in PAGES.items()}
    with living(dsn):
        worked = _worked(server)
        seen = viewed(url, PAGES, VIEWERS, ROUNDS, LOOKS_AT)
        cpu = 1000 * (_worked(server) - worked) / (VIEWERS * ROUNDS * len(PAGES))
        began = time.monotonic()
        viewed(url, PAGES, VIEWERS, 1, 0.0)
        rate = VIEWERS * len(PAGES) / (time.monotonic() - began)
    grown = (server.memory_info().rss - before) / 2**20
    return Measured(samples, seen, sizes, painted(url, PAINTED), cpu, rate, grown)


def _worked(server: psutil.Process) -> float:
    """Seconds of processor time that the server has taken."""
    times = server.cpu_times()
    return float(times.user + times.system)
