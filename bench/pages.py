"""What the pages promise: answered soon with a full ledger and ten viewers, and small; over real HTTP.

With ``UPKEEP_BENCH=large`` five times as many samples too: how much longer it takes then.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
import requests

from bench.full_ledger import TARGETS, fill
from bench.measure import Result, size
from bench.platform import running_server
from sandbox.ports import free_port
from upkeep.ledger.migrations.upgrade import upgrade
from upkeep.settings.base import METRICS

GOAL_MS, GOAL_KB, GOAL_RATIO = 100.0, 150.0, 1.5
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
    "Guide": "/guide",
}


@dataclass(frozen=True)
class Seen:
    """What one page took, in milliseconds, and its size."""

    p95: float
    median: float
    kilobytes: float


def run() -> Result:
    """Ten viewers go through all pages; the slowest page's p95 and the largest page."""
    samples, seen = measured(SAMPLES)
    slowest, largest = max(one.p95 for one in seen.values()), max(one.kilobytes for one in seen.values())
    found = f"{slowest:.0f} ms, {largest:.0f} kB"
    goal = f"below {GOAL_MS:g} ms, at most {GOAL_KB:g} kB"
    met = slowest < GOAL_MS and largest <= GOAL_KB
    lines = [
        f"{name:<28} p95 {one.p95:5.0f} ms, median {one.median:4.0f} ms, {one.kilobytes:4.0f} kB"
        for name, one in seen.items()
    ]
    if LARGE:
        many, full = measured(5 * SAMPLES)
        ratios = {name: full[name].p95 / one.p95 for name, one in seen.items()}
        found += f"; {max(ratios.values()):.2f} × with {many / 1e6:.1f} M samples"
        goal += f", at most {GOAL_RATIO:g} ×"
        met = met and max(ratios.values()) <= GOAL_RATIO
        lines += [f"{name:<28} {ratio:.2f} × with {many / 1e6:.1f} M samples" for name, ratio in ratios.items()]
    what = f"pages with {samples / 1e6:.1f} M samples and {VIEWERS} viewers: p95 and size of the worst"
    return Result(what, found, goal, met, tuple(lines))


def measured(wanted: int) -> tuple[int, dict[str, Seen]]:
    """How many samples the ledger has, and what each page took."""
    with running_server() as cluster:
        with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as admin:
            admin.execute("CREATE DATABASE upkeep")
        upgrade(lambda: psycopg.connect(cluster.dsn("upkeep")))
        with psycopg.connect(cluster.dsn("upkeep"), autocommit=True) as connection:
            samples = fill(connection, METRICS, wanted, datetime.now(UTC))
        with serving(cluster.dsn("upkeep")) as url:
            return samples, _watched(url)


@contextmanager
def serving(dsn: str) -> Iterator[str]:
    """The pages in a process of their own; yields where."""
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
            yield url
        finally:
            server.terminate()
            server.wait()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/static/upkeep.css", timeout=5).ok
    except requests.ConnectionError:
        return False


def _watched(url: str) -> dict[str, Seen]:
    """Each viewer opens the pages one after the other, each beginning elsewhere; each page once before, to warm up."""
    took: dict[str, list[float]] = {name: [] for name in PAGES}
    sizes = {name: len(_page(requests.Session(), url + path)[1]) / 1024 for name, path in PAGES.items()}
    failed: list[BaseException] = []

    def view(number: int) -> None:
        try:
            session, names = requests.Session(), list(PAGES)
            time.sleep(LOOKS_AT * number / VIEWERS)
            for turn in range(ROUNDS * len(names)):
                name = names[(turn + number) % len(names)]
                took[name].append(_page(session, url + PAGES[name])[0])
                time.sleep(LOOKS_AT)
        except BaseException as error:
            failed.append(error)

    viewers = [threading.Thread(target=view, args=(number,)) for number in range(VIEWERS)]
    for one in viewers:
        one.start()
    for one in viewers:
        one.join()
    if failed:
        raise failed[0]
    return {name: Seen(_p95(values), statistics.median(values), sizes[name]) for name, values in took.items()}


def _page(session: requests.Session, address: str) -> tuple[float, bytes]:
    """Milliseconds until a page is there whole, and the page."""
    began = time.perf_counter()
    answer = session.get(address, timeout=60)
    took = 1000 * (time.perf_counter() - began)
    answer.raise_for_status()
    return took, answer.content


def _p95(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(0.95 * len(values)))]
