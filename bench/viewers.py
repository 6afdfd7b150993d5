"""Who looks at the pages of the bench: ten people at once, a browser, and meanwhile the ledger goes on."""

from __future__ import annotations

import shutil
import statistics
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
import requests
from playwright.sync_api import sync_playwright

from bench.full_ledger import TARGETS
from bench.people import PEOPLE

#: How often something is written into the ledger meanwhile: seconds.
EVERY = 30.0
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
#: Waits for the first paint by itself: Playwright's own waiting needs eval, which the pages forbid.
_PAINTED = """new Promise((painted) => {
  const look = () => {
    const [paint] = performance.getEntriesByName("first-contentful-paint");
    paint ? painted(paint.startTime) : setTimeout(look, 20);
  };
  look();
})"""

_SAMPLES = """
    INSERT INTO upkeep.watch_samples (target, slot, taken_at, level, health, metrics, latencies, during)
    SELECT DISTINCT ON (target) target, %(now)s, %(now)s, level, health, metrics, latencies, during
    FROM upkeep.watch_samples
    WHERE target = ANY (%(targets)s)
    ORDER BY target, slot DESC
"""
_STEP = """
    WITH window_of AS (SELECT max(id) AS id FROM upkeep.windows WHERE cadence = 'daily' AND target = %(target)s),
    step AS (
        INSERT INTO upkeep.steps (window_id, step, run_id, try_number, state, reason, source, digest, started_at,
                                  ended_at)
        SELECT s.window_id, s.step, s.run_id, s.try_number + 1, s.state, '', s.source, '', %(now)s, %(now)s
        FROM upkeep.steps s
        JOIN window_of w ON w.id = s.window_id
        WHERE s.step = 'group.step_3'
        ORDER BY s.id DESC
        LIMIT 1
        RETURNING id
    )
    INSERT INTO upkeep.findings (step_id, position, key, level, subject, detail, expected, remedy, guide, metadata)
    SELECT step.id, 1, 'group.step_3:1', 'warning', 'a subject', 'what was seen', '', 'what to do', 'G49', '{}'
    FROM step
"""


@dataclass(frozen=True)
class Seen:
    """What one page took, in milliseconds."""

    p95: float
    median: float


@contextmanager
def living(dsn: str) -> Iterator[None]:
    """Meanwhile the watch polls each target, and a step of some window is recorded, as often as the watch polls."""
    over = threading.Event()

    def live() -> None:
        number = 0
        with psycopg.connect(dsn, autocommit=True) as connection:
            while not over.wait(EVERY):
                values = {"now": datetime.now(UTC), "targets": list(TARGETS), "target": TARGETS[number % len(TARGETS)]}
                connection.execute(_SAMPLES.encode(), values)
                connection.execute(_STEP.encode(), values)
                number += 1

    thread = threading.Thread(target=live)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def viewed(url: str, pages: Mapping[str, str], viewers: int, rounds: int, looks_at: float) -> dict[str, Seen]:
    """Each viewer opens the pages one after the other, each beginning elsewhere, and looks at one for some seconds."""
    took: dict[str, list[float]] = {name: [] for name in pages}
    failed: list[BaseException] = []

    def view(number: int) -> None:
        try:
            session, names = session_of(number), list(pages)
            time.sleep(looks_at * number / viewers)
            for turn in range(rounds * len(names)):
                name = names[(turn + number) % len(names)]
                took[name].append(page(session, url + pages[name])[0])
                time.sleep(looks_at)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=view, args=(number,)) for number in range(viewers)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    if failed:
        raise failed[0]
    return {name: Seen(_p95(values), statistics.median(values)) for name, values in took.items()}


def session_of(number: int) -> requests.Session:
    """A person of their own, whose connection stays open between pages."""
    session = requests.Session()
    session.trust_env = False
    session.headers["X-User"] = PEOPLE[number % len(PEOPLE)]
    return session


def page(session: requests.Session, address: str) -> tuple[float, bytes]:
    """Milliseconds until a page is there whole, and the page."""
    began = time.perf_counter()
    answer = session.get(address, timeout=60)
    took = 1000 * (time.perf_counter() - began)
    answer.raise_for_status()
    return took, answer.content


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(0.95 * len(values)))]


def painted(url: str, pages: Mapping[str, str]) -> dict[str, float]:
    """Milliseconds to the first paint of each page in a Chromium that knows none of its files; empty without one."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        return {}
    times: dict[str, float] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        browser.new_page().goto(f"{url}/static/upkeep.css")  # starting the browser is nobody's page
        for name, path in pages.items():
            context = browser.new_context(extra_http_headers={"X-User": PEOPLE[0]})
            shown = context.new_page()
            shown.goto(url + path, wait_until="load")
            times[name] = float(shown.evaluate(_PAINTED))
            context.close()
        browser.close()
    return times
