"""The page of trends over real HTTP and a real ledger: what it draws, what it is asked, what is wrong to ask."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from tests.stages.ledger import Ledger, record, write
from tests.stages.pages import HOSTILE, Site, as_dashboard, config_with, reported, served, window_of
from tests.stages.proposed import ERRORS, QUIET, both, days, planned
from tests.stages.proposed import shipped_configuration as shipped_configuration  # noqa: PLC0414  # every test's
from tests.stages.reports import Page
from tests.stages.stage import Stage
from upkeep.areas.baselines.force import KIND
from upkeep.areas.baselines.propose import proposals_from_ledger
from upkeep.core.findings import Sample
from upkeep.core.windows import Window
from upkeep.dashboard.reading import LedgerSessions
from upkeep.gate.plans.model import numbered
from upkeep.settings.base import METRICS

DAY = timedelta(days=1)
TABLE = "public.error_logs"
SIZE = f"?of=table_bytes|{TABLE}"


def measured(book: Ledger, target: str, at: datetime, *samples: Sample, cadence: str = "daily") -> Window:
    """A window whose step measured these when it was due."""
    window = window_of(target, cadence, at, dag_id=f"maintenance_{cadence}")
    write(book, window, replace(record(step="database.table_sizes", at=at, samples=samples), taken_at=at))
    return window


def grown(book: Ledger, site: Site, sizes: dict[int, float], subject: str = TABLE) -> None:
    """A table's size in the daily windows of so many days ago."""
    for ago, size in sizes.items():
        measured(book, site.config.targets[0], site.now - ago * DAY, Sample("table_bytes", size, "bytes", subject))


def ask(site: Site, query: str = "", status: int = 200, user: str = "vera") -> str:
    """The page's HTML."""
    answer = site.ask(f"/trends{query}", user)
    assert answer.status_code == status, answer.text
    return answer.text


def text(html: str) -> str:
    """What the page says."""
    return Page(html).text


def drawn(html: str) -> str:
    """The plot itself."""
    (found,) = re.findall(r'<svg class="plot trend".*?</svg>', html, re.DOTALL)
    return str(found)


def rows(html: str) -> list[list[str]]:
    """The table behind the plot, the newest place first."""
    return [re.findall(r"<td[^>]*>([^<\n]*)", row) for row in re.findall(r"<tr>(<td>.*)", html)]


def corners(html: str) -> list[list[tuple[float, float]]]:
    """The lines of the plot."""
    lines = re.findall(r'<polyline class="line[^"]*" points="([^"]*)"', html)
    return [[(float(x), float(y)) for x, y in (pair.split(",") for pair in line.split())] for line in lines]


def watched(book: Ledger, target: str, at: datetime, value: float) -> None:
    """A sample of the watch: the response time in ms."""
    book.change(
        """INSERT INTO upkeep.watch_samples (target, slot, taken_at, level, health, metrics, latencies, during)
           VALUES (%s, %s, %s, 'ok', 99, jsonb_build_object('response_time', %s::float8),
                   '{"trust-scorer": 70}', '')""",
        *(target, at, at, value),
    )


def hours(book: Ledger, target: str, start: datetime, end: datetime) -> None:
    """What the watch's samples have become from one hour to another."""
    book.change(
        """INSERT INTO upkeep.watch_hours (target, hour, samples, unknown, lowest_health, mean_health, latencies)
           SELECT %s, h, 120, 0, 91, 98, '{"trust-scorer": 70}'
           FROM generate_series(%s::timestamptz, %s::timestamptz, '1 hour') h""",
        *(target, start, end),
    )


# What is drawn -------------------------------------------------------------------------------------------------------


@pytest.mark.guide("G49", "G117", "holds")
def test_a_tables_size_is_drawn_with_its_numbers_behind_it(book: Ledger, site: Site) -> None:
    """A line of one corner a day, rising as the table does, and a row for each; nothing of another table's."""
    grown(book, site, {4: 1024.0**2, 3: 2 * 1024.0**2, 2: 3 * 1024.0**2, 1: 5 * 1024.0**2})
    grown(book, site, {6: 1024.0**3}, "public.other")
    html = ask(site, f"{SIZE}&range=7d")
    ((*line,),) = corners(html)
    assert [round(x) for x, _ in line] == [round(960 * (7 - ago) / 7) for ago in (4, 3, 2, 1)]
    heights = [y for _, y in line]
    assert heights == sorted(heights, reverse=True)
    assert [row[2] for row in rows(html)] == ["5 MB", "3 MB", "2 MB", "1 MB"]
    assert rows(html)[0][0] == f"{site.now - DAY:%Y-%m-%d %H:%M}"
    said = text(html)
    assert "Table bytes of public.error_logs" in said and "4 values, lowest 1 MB, highest 5 MB" in said
    assert "time in UTC" in said and "1 GB" not in said


@pytest.mark.guide("G117", "holds")
def test_a_week_stands_beside_the_one_before(book: Ledger, site: Site) -> None:
    """The same days lie under each other, the earlier ones dashed, with both weeks' numbers; by a link."""
    kib = 1024.0
    grown(book, site, {12: kib, 11: 2 * kib, 10: 6 * kib, 5: 3 * kib, 4: 4 * kib, 3: 5 * kib})
    alone = ask(site, f"{SIZE}&range=7d")
    assert 'class="line of-before" points' not in alone and "Side by side" not in alone
    (beside,) = re.findall(r'<a href="trends([^"]*)">with the 7 days before', alone)
    html = ask(site, beside.replace("&amp;", "&"))
    before, now = corners(html)
    assert [x for x, _ in before] == [x for x, _ in now] and before[0][1] > now[0][1] and before[2][1] < now[2][1]
    week, last = re.findall(r'<th scope="row">([^<]*)</th><td>([^<]*)<td>([^<]*)<td>([^<]*)<td>([^<]*)<td>(.*)', html)
    start, middle = (f"{site.now - days * DAY:%Y-%m-%d %H:%M}" for days in (14, 7))
    assert week == (middle, f"{site.now:%Y-%m-%d %H:%M}", "3 kB", "4 kB", "5 kB", "3")
    assert last == (start, middle, "1 kB", "2 kB", "6 kB", "3")
    (earlier,) = re.findall(r'<a href="trends([^"]*)">← earlier', html)
    further = ask(site, earlier.replace("&amp;", "&"))
    assert "Side by side" in further and "no value" in further, "the choice stays, and what is not there is said"
    (without,) = re.findall(r'<a href="trends([^"]*)">without the 7 days before', html)
    assert "Side by side" not in ask(site, without.replace("&amp;", "&"))


def test_a_missing_day_is_a_gap_and_no_line(book: Ledger, site: Site) -> None:
    """Where a day has no value the line ends and the gap is shown; with the value it is gone."""
    grown(book, site, dict.fromkeys((6, 5, 2, 1, 0), 1000.0))
    html = ask(site, f"{SIZE}&range=7d")
    assert [len(line) for line in corners(html)] == [2, 3] and html.count('class="missing-values" x=') == 1
    assert "1 gap, the longest 3 days" in text(html)
    grown(book, site, dict.fromkeys((4, 3), 1000.0))
    html = ask(site, f"{SIZE}&range=7d")
    assert [len(line) for line in corners(html)] == [7] and "gap" not in text(html)


def test_what_is_not_measured_any_more_looks_stale(book: Ledger, site: Site) -> None:
    """A value that should have come and has not; over a stretch that has ended nothing is expected."""
    grown(book, site, {6: 1000.0, 5: 1000.0})
    assert f"Not measured since {site.now - 5 * DAY:%Y-%m-%d %H:%M}" in text(ask(site, f"{SIZE}&range=7d"))
    ended = f"&until={site.now - 4 * DAY:%Y-%m-%dT%H:%M}"
    assert "Not measured since" not in text(ask(site, f"{SIZE}&range=7d{ended}"))
    grown(book, site, {0: 1000.0})
    assert "Not measured since" not in text(ask(site, f"{SIZE}&range=7d"))


def test_no_outlier_is_lost_and_none_flattens_the_rest(book: Ledger, site: Site) -> None:
    """Of a place with many values the lowest and the highest are there; far beyond all others one lies on the edge."""
    (target,) = site.config.targets
    for ago in range(1, 60):
        measured(book, target, site.now - ago * DAY, Sample("table_bytes", 1000.0 + ago, "bytes", TABLE))
    noon = site.now - 30 * DAY
    for minute, size in ((1, 9e9), (2, 1001.0), (3, 1500.0)):
        measured(book, target, noon + timedelta(minutes=minute), Sample("table_bytes", size, "bytes", TABLE))
    html = ask(site, f"{SIZE}&range=90d")
    said = text(html)
    assert "62 values, lowest 1001 B, highest 8.382 GB" in said and "1 value beyond the scale" in said
    (row,) = [row for row in rows(html) if "8.382 GB" in row]
    assert row[2:5] == ["1001 B", "8.382 GB", "4"]
    heights = {y for line in corners(html) for _, y in line}
    assert max(heights) - min(heights) > 200 and len(heights) > 50


@pytest.mark.guide("G31", "holds")
def test_what_the_watch_has_seen_is_drawn_to_the_half_minute(book: Ledger, site: Site) -> None:
    """Its samples of the last hour, and hours where the samples have gone; a pause of it is a gap."""
    (target,) = site.config.targets
    book.change(
        """INSERT INTO upkeep.watch_samples (target, slot, taken_at, level, health, metrics, latencies, during)
           SELECT %s, s, s, 'ok', 99, '{"response_time": 120, "overall_health": 99}', '{"trust-scorer": 90}', ''
           FROM generate_series(%s::timestamptz - interval '50 min', %s, interval '30 s') s
           WHERE s NOT BETWEEN %s::timestamptz - interval '30 min' AND %s::timestamptz - interval '20 min'""",
        *(target, site.now, site.now, site.now, site.now),
    )
    hours(book, target, site.now - 40 * DAY, site.now - timedelta(hours=2))
    html = ask(site, "?of=response_time&range=1h")
    assert len(corners(html)) == 2 and len(rows(html)) == 101 - 21 and "1 gap, the longest 11 min" in text(html)
    assert "120 ms ok" in text(html) and "by the watch" in text(html)
    said = text(ask(site, "?of=latency|trust-scorer&range=30d"))
    assert "Response time of trust-scorer" in said and "lowest 70 ms, highest 90 ms" in said
    assert "lowest 91 %, highest 99 %" in text(ask(site, "?of=overall_health&range=30d"))


def test_hours_of_a_stretch_that_has_ended_are_one_line(book: Ledger, site: Site) -> None:
    """What is a value each hour is no gap, wherever the stretch ends; an hour without one is.

    The first page's places are shared for an hour; another api-server reads them anew.
    """
    (target,) = site.config.targets
    end = site.now.replace(minute=0, second=0) - 60 * DAY
    hours(book, target, end - 7 * DAY, end)
    watched(book, target, site.now, 120.0)
    asked = f"?of=latency|trust-scorer&range=7d&until={end:%Y-%m-%dT%H:%M}"
    html = ask(site, asked)
    assert [len(line) for line in corners(html)] == [169] and 'class="missing-values" x=' not in html
    book.change("DELETE FROM upkeep.watch_hours WHERE hour BETWEEN %s AND %s", end - 3 * DAY, end - 2 * DAY)
    assert ask(site, asked) == html
    with served(site.config, as_dashboard(book), site.now) as another:
        html = ask(another, asked)
    assert len(corners(html)) == 2 and html.count('class="missing-values" x=') == 1


def test_what_the_watch_adds_shows_at_once_though_the_past_is_shared(book: Ledger, site: Site) -> None:
    """Every value once, wherever the stretch is cut: on the first page, and on the next after another sample."""
    (target,) = site.config.targets
    for ago in range(7 * 24):
        watched(book, target, site.now - timedelta(hours=ago, minutes=7), 100.0 + ago)
    for more in range(3):
        said = text(ask(site, "?of=response_time&range=7d"))
        assert f"{168 + more} values, lowest {100 - more} ms, highest 267 ms" in said
        watched(book, target, site.now - timedelta(minutes=more), 99.0 - more)


def test_the_value_in_large_is_the_newest_one_with_its_own_level(book: Ledger, site: Site) -> None:
    """What was critical a while ago, in the place of the plot that the newest value has too, is not critical now."""
    (target,) = site.config.targets
    for ago, value in ((timedelta(minutes=50), 9000.0), (timedelta(minutes=1), 120.0)):
        measured(book, target, site.now - ago, Sample("response_time", value, "ms"))
    html = ask(site, "?of=response_time&range=30d")
    assert "120 ms ok" in text(html) and rows(html)[0][2:6] == ["120 ms", "9,000 ms", "2", "critical"]
    watched(book, target, site.now - timedelta(minutes=20), 8000.0)
    watched(book, target, site.now - timedelta(seconds=30), 130.0)
    html = ask(site, "?of=response_time&range=30d")
    assert "130 ms ok" in text(html) and rows(html)[0][2:6] == ["130 ms", "8,000 ms", "2", "critical"]


def test_a_number_of_the_watch_that_no_axis_has_is_counted(book: Ledger, site: Site) -> None:
    """One absurd answer of a function spoils neither the page nor the plot of the others."""
    (target,) = site.config.targets
    for ago, value in enumerate((110.0, 1.7e308, 120.0)):
        watched(book, target, site.now - timedelta(minutes=1 + ago), value)
    html = ask(site, "?of=response_time&range=1h")
    assert "3 values, lowest 110 ms, highest 120 ms; 1 value no number or beyond measure" in text(html)
    watched(book, target, site.now, -1.7e308)
    html = ask(site, "?of=response_time&range=90d")
    assert "4 values, lowest 110 ms, highest 120 ms; 2 values no number or beyond measure" in text(html)
    assert "no number" in text(html).partition("lowest")[0]


def test_a_number_that_no_axis_has_is_counted(book: Ledger, site: Site) -> None:
    """NaN, an infinity and what is beyond measure do not spoil the plot of the others."""
    grown(book, site, {5: 1000.0, 4: float("nan"), 3: float("inf"), 2: 1e305, 1: 1100.0})
    html = ask(site, f"{SIZE}&range=7d")
    assert "lowest 1000 B, highest 1.074 kB; 3 values no number or beyond measure" in text(html)
    assert "nan" not in html and "inf" not in drawn(html)


# What it is held against ---------------------------------------------------------------------------------------------


@pytest.mark.guide("G19", "G26", "holds")
def test_thresholds_and_baselines_are_those_in_force_at_each_time(stage: Stage, tmp_path: Path) -> None:
    """Before people approved them the file's, from then on theirs, each drawn where it held."""
    days(stage, QUIET)
    config = config_with(tmp_path, stage.name)
    with served(config, as_dashboard(stage.ledger)) as site:
        before = ask(site, f"?of={ERRORS}")
        assert text(before).count("Judged from") == 1 and "warning 0.5 to 2 %, critical above 2 %" in text(before)
        assert "ordinary by the baseline" not in text(before)
    assert stage.apply(stage.decide(planned(stage)))[ERRORS].state == "done"
    with stage.ledger.session() as session:
        found = proposals_from_ledger(session, stage.name, both(KIND), (), datetime.now(site.now.tzinfo))
    actions, _ = numbered([one for one in found if one.action.table == ERRORS])
    monthly = stage.plan(actions=actions, cadence="monthly", dag_id="maintenance_monthly")
    assert stage.apply(stage.decide(monthly))[ERRORS].state == "done"
    with served(config, as_dashboard(stage.ledger)) as site:
        said = text(ask(site, f"?of={ERRORS}"))
        assert said.count("Judged from") == 2 and "warning 0.5 to 2 %" in said
        assert "warning 0.37 to 1.5 %, critical above 1.5 %, version 2, which people approved" in said
        assert "Baseline of error_rate: 0.25 %" in said and "approved by ann and bob" in said
        html = ask(site, f"?of={ERRORS}&range=1h")
        assert len(set(re.findall(r'<path class="threshold" d="M([\d.]+) ', drawn(html)))) == 2
        assert drawn(html).count('<rect class="ordinary"') == 1
        gone = f"&until={site.now - DAY:%Y-%m-%dT%H:%M}"
        assert "version 2" not in text(ask(site, f"?of={ERRORS}{gone}"))


def test_a_level_is_that_of_its_time(book: Ledger, site: Site) -> None:
    """The six metrics are judged by their bands, a table by nobody."""
    (target,) = site.config.targets
    measured(book, target, site.now - DAY, Sample("response_time", 700.0, "ms"), Sample("overall_health", 80.0, "%"))
    grown(book, site, {2: 1.0})
    assert rows(ask(site, "?of=response_time"))[0][5] == "warning"
    assert rows(ask(site, "?of=overall_health"))[0][5] == "critical"
    assert len(rows(ask(site, SIZE))[0]) == 5


def test_windows_and_what_was_carried_out_are_marked(stage: Stage, tmp_path: Path) -> None:
    """A weekly window with its report, and the action of a plan by its name; of a long stretch no daily windows."""
    stage.dirty("error_logs")
    assert stage.apply(stage.decide(stage.plan()))["error_logs"].state == "done"
    book = stage.ledger
    with served(config_with(tmp_path, stage.name), as_dashboard(book)) as site:
        weekly = measured(book, stage.name, site.now - DAY, Sample("response_time", 1.0, "ms"), cadence="weekly")
        measured(book, stage.name, site.now - 2 * DAY, Sample("response_time", 1.0, "ms"))
        reported(book, weekly, "warning", "a headline")
        html = ask(site, "?of=response_time")
        said = text(html)
        assert "VACUUM public.error_logs" in said and "weekly window: warning" in said and "daily window" in said
        assert f"dags/maintenance_weekly/runs/{quote(weekly.run_id, safe='')}/report" in Page(html).links
        assert html.count('<g class="action-mark">') == 1 and html.count('<g class="window-mark">') >= 2
        assert "daily window" not in text(ask(site, "?of=response_time&range=90d"))
        for ago in range(20):
            measured(book, stage.name, site.now - timedelta(milliseconds=ago), Sample("response_time", 1.0, "ms"))
        (listed,) = re.findall(r'<ul class="done-list">.*?</section>', ask(site, "?of=response_time"), re.DOTALL)
        assert "VACUUM public.error_logs" in listed and "more, marked on the plot" in listed


# What can be asked ---------------------------------------------------------------------------------------------------


def test_nothing_is_measured_yet(site: Site) -> None:
    """The page says so, and what will change it."""
    assert "Nothing has been measured" in text(ask(site))


def test_everything_that_the_windows_measure_is_on_offer(book: Ledger, site: Site) -> None:
    """The guide's metrics first, then tables and functions; the addresses that a check remembers are not."""
    (target,) = site.config.targets
    measured(
        book,
        target,
        site.now - DAY,
        Sample("table_bytes", 1.0, "bytes", TABLE),
        Sample("latency", 1.0, "ms", "trust-scorer"),
        Sample("cpu_usage", 20.0, "%"),
        Sample("last seen in security", 1.0, "s", "203.0.113.9"),
    )
    html = ask(site)
    assert re.findall(r'<option value="([^"]*)"', html) == ["cpu_usage", "latency|trust-scorer", f"table_bytes|{TABLE}"]
    assert "CPU usage" in text(html) and "203.0.113.9" not in html
    assert "203.0.113.9" not in ask(site, "?of=last seen in security|203.0.113.8", 404)
    ask(site, "?of=last seen in security|203.0.113.9", 404)


def test_what_has_ended_can_still_be_asked_for(book: Ledger, site: Site) -> None:
    """A table that was dropped months ago is not on offer any more, and has its trend."""
    grown(book, site, {200: 4096.0})
    for ago in range(10):
        measured(book, site.config.targets[0], site.now - ago * DAY, Sample("cpu_usage", 1.0, "%"))
    assert TABLE not in ask(site)
    html = ask(site, f"{SIZE}&range=1y")
    assert "Not measured any more" in html and "highest 4 kB" in text(html)


def test_windows_that_left_a_step_out_take_nothing_off_the_choice(book: Ledger, site: Site) -> None:
    """Runs of a part, by hand or failed, do not count for what they did not look at."""
    (target,) = site.config.targets
    grown(book, site, {4: 4096.0})
    for ago, cadence in ((3, "daily"), (2, "daily"), (1, "daily"), (0, "daily")):
        window = window_of(target, cadence, site.now - ago * DAY)
        cpu = (Sample("cpu_usage", 1.0, "%"),)
        write(book, window, record(step="health.system_status", at=site.now - ago * DAY, samples=cpu))
        write(book, window, record(step="database.table_sizes", at=site.now - ago * DAY))
    assert re.findall(r'<option value="([^"]*)"', ask(site)) == ["cpu_usage", f"table_bytes|{TABLE}"]


def test_another_target_that_lacks_the_series_shows_what_it_has(book: Ledger, window: Window, tmp_path: Path) -> None:
    """The form sends the target with the series of another: its first one comes with a sentence; nonsense is 404."""
    other = f"{window.target}_b"
    with served(config_with(tmp_path, window.target, other), as_dashboard(book)) as site:
        grown(book, site, {1: 4096.0})
        html = ask(site, f"{SIZE}&target={other}")
        assert f"{other} has no trend of Table bytes of {TABLE}" in text(html) and "Nothing has been measured" in text(
            html
        )
        measured(book, other, site.now - DAY, Sample("cpu_usage", 20.0, "%"))
        html = ask(site, f"{SIZE}&target={other}")
        assert f"{other} has no trend of Table bytes of {TABLE}" in text(html) and "20 %" in text(html)
        assert re.findall(r'<option value="([^"]*)"', html) == ["cpu_usage"]
        assert "has no trend" in text(ask(site, f"?of=latency|trust-scorer&target={other}"))
        assert "has no trend" not in text(ask(site, f"?of=cpu_usage&target={other}"))
        assert "found no trend of" in text(ask(site, f"?of=nonsense&target={other}", 404))
        site.hidden = frozenset({"maintenance_daily"})
        assert "found no trend of" in text(ask(site, f"{SIZE}&target={other}", 404))


@pytest.mark.parametrize(("found", "length"), [("1h", 1), ("6h", 6), ("1d", 24), ("52w", 8736), ("2y", 17520)])
def test_a_range_from_an_hour_to_two_years(book: Ledger, site: Site, found: str, length: int) -> None:
    """Each begins so long ago; what is before it is not shown."""
    (target,) = site.config.targets
    at = site.now - timedelta(hours=length)
    for moment in (at + timedelta(minutes=1), at - timedelta(minutes=1)):
        measured(book, target, moment, Sample("table_bytes", 7.0, "bytes", TABLE))
    html = ask(site, f"{SIZE}&range={found}")
    assert [row[0] for row in rows(html)] == [f"{at + timedelta(minutes=1):%Y-%m-%d %H:%M}"]
    assert f"{at:%Y-%m-%d %H:%M} UTC to {site.now:%Y-%m-%d %H:%M} UTC" in text(html)


def test_one_walks_back_and_forth_in_time(book: Ledger, site: Site) -> None:
    """Earlier shows the stretch before, later leads back to now."""
    grown(book, site, {1: 10.0, 8: 20.0})
    html = ask(site, f"{SIZE}&range=7d")
    (earlier,) = re.findall(r'<a href="trends([^"]*)">← earlier', html)
    assert "later →" not in html
    html = ask(site, earlier.replace("&amp;", "&"))
    assert [row[2] for row in rows(html)] == ["20 B"]
    (later,) = re.findall(r'<a href="trends([^"]*)">later →', html)
    assert [row[2] for row in rows(ask(site, later.replace("&amp;", "&")))] == ["10 B"]


@pytest.fixture(scope="module")
def asked(book: Ledger, blank: Site) -> Site:
    """The pages of a target of which one value is known."""
    measured(book, blank.config.targets[0], blank.now - DAY, Sample("cpu_usage", 1.0, "%"))
    return blank


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("range=100y", 400, "found the range '100y', expected one from 1h to 2y, such as 30d"),
        ("range=731d", 400, "expected one from 1h to 2y"),
        ("range=0h", 400, "found the range '0h'"),
        ("range=1m", 400, "found the range '1m'"),
        ("range=99999999999999999999d", 400, "expected one from 1h to 2y"),
        (f"range={quote(HOSTILE)}", 400, "found the range"),
        ("until=yesterday", 400, "found the end 'yesterday', expected a time in UTC from 2000-01-01 to now"),
        ("until=9999-12-31T23:59:59-14:00", 400, "found the end"),
        ("until=0001-01-01T00:00:00%2B14:00", 400, "found the end"),
        ("until=2999-01-01T00:00", 400, "found the end '2999-01-01T00:00'"),
        ("target=nowhere", 404, "found no target 'nowhere' that you may read, expected one of: "),
        ("of=nonsense", 404, "found no trend of 'nonsense'"),
        ("of=nonsense", 404, "expected a metric that it has: cpu_usage"),
        ("of=cpu_usage|public.x", 404, "expected one of: the whole target"),
        ("of=%00", 404, "found no trend of"),
        ("of=|x", 404, "found no trend of '' of 'x'"),
        (f"of={quote(HOSTILE)}", 404, "found no trend of"),
        (f"of=cpu_usage|{quote(HOSTILE)}", 404, "⟨U+202E⟩"),
        (f"of={'x' * 9000}", 404, "found no trend of 'xxx"),
    ],
)
def test_what_is_wrong_to_ask_is_said(asked: Site, query: str, status: int, words: str) -> None:
    """What was found and what was expected, and nothing of it is markup."""
    html = ask(asked, f"?{query}", status)
    assert words in text(html).replace("\\u202e", "⟨U+202E⟩") and "<script>alert" not in html


def test_hostile_names_are_text_and_addresses(book: Ledger, site: Site) -> None:
    """A table named like markup is drawn under its name, and can be chosen."""
    grown(book, site, {1: 4096.0}, HOSTILE)
    html = ask(site, f"?of={quote(f'table_bytes|{HOSTILE}')}")
    assert "⟨U+202E⟩" in text(html) and "4 kB" in text(html) and "<script>alert" not in html and "\u202e" not in html


# Who may see it ------------------------------------------------------------------------------------------------------


def test_who_may_not_read_a_target_sees_nothing_of_it(book: Ledger, window: Window, tmp_path: Path) -> None:
    """Neither its values nor its name; without a login nobody sees anything."""
    other = f"{window.target}_b"
    with served(config_with(tmp_path, window.target, other), as_dashboard(book)) as site:
        measured(book, other, site.now - DAY, Sample("cpu_usage", 1.0, "%"))
        assert other in ask(site, f"?target={other}&of=cpu_usage")
        site.hidden = frozenset({f"maintenance_daily__{other}"})
        assert other not in ask(site)
        assert f"{other}." not in text(ask(site, f"?target={other}&of=cpu_usage", 404)).partition("expected one of")[2]
        assert site.ask("/trends", None).status_code == 401
        assert site.ask("/trends", None, Accept="text/html").status_code == 303


def test_the_ledger_away_is_said(empty_database: str, tmp_path: Path) -> None:
    """503 that tries again."""
    with served(config_with(tmp_path, "primary"), lambda: psycopg.connect(f"{empty_database} port=1")) as site:
        assert site.ask("/trends").status_code == 503


def test_the_pages_read_the_ledger_as_what_is_in_memory(book: Ledger) -> None:
    """For the one transaction of a page; whatever else that login asks is planned as the server says."""
    with as_dashboard(book)() as connection:
        standing = connection.execute("SHOW random_page_cost").fetchone()
    assert standing and standing[0] != "1.1"
    with LedgerSessions(as_dashboard(book), "my_ledger").session() as session:
        assert session.row("SHOW random_page_cost")["random_page_cost"] == "1.1"


def test_a_full_plot_is_a_page_of_at_most_150_kb(book: Ledger, site: Site) -> None:
    """Every place taken, a thousand things on offer; in numbers the newest hundred places, and all on demand."""
    (target,) = site.config.targets
    book.change(
        """INSERT INTO upkeep.watch_samples (target, slot, taken_at, level, health, metrics, latencies, during)
           SELECT %s, s, s, 'ok', 99, jsonb_build_object('response_time', 1000 * random()), '{}', ''
           FROM generate_series(%s::timestamptz - interval '1 day', %s, interval '30 s') s""",
        *(target, site.now, site.now),
    )
    many = (Sample(f"metric_{number % 10}", 1.0, "rows", f"public.a_table_{number}") for number in range(1000))
    measured(book, target, site.now - DAY, *(Sample(name, 50.0, "%") for name in METRICS), *many)
    html = ask(site, "?of=response_time&range=1d")
    found = rows(html)
    (every,) = re.findall(r'<a href="trends([^"]*)">All ([0-9]+) places in numbers', html)
    whole = ask(site, every[0].replace("&amp;", "&"))
    assert len(found) == 100 and rows(whole)[:100] == found and '<details id="numbers" open>' in whole
    assert len(rows(whole)) == int(every[1]) > 450 and "places in numbers</a>" not in whole
    assert max(len(html.encode()), len(whole.encode())) <= 150_000
