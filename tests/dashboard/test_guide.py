"""The page of the guide (G139): every item, where it is looked at, and what the ledger says of it last."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.coverage_table import ITEMS, ROOT, read_items
from tests.stages.dags import look
from tests.stages.ledger import Ledger, finding, record, write
from tests.stages.pages import HOSTILE, Site, as_dashboard, config_with, reported, served, window_of
from tests.stages.reports import Page
from upkeep.core.findings import Level
from upkeep.core.windows import Window, WindowKind
from upkeep.dashboard.guide import SECTIONS, items


def row(site: Site, guide: str) -> str:
    """What the page says of one item."""
    answer = site.ask("/guide")
    assert answer.status_code == 200, answer.text
    return Page(source(answer.text, guide)).text


def source(html: str, guide: str) -> str:
    """One item's row."""
    (found,) = re.findall(rf'<tr id="{guide}">.*?</tr>', html, re.DOTALL)
    return str(found)


# The list itself -----------------------------------------------------------------------------------------------------


def test_the_items_are_those_that_the_tests_know() -> None:
    """Every one, under the same words and in the same order."""
    known = read_items(ROOT / "tests/guide.yaml")
    titles = {guide: item.title for guide, item in known.items() if guide.startswith("G")}
    assert {item.guide: item.title for item in items()} == titles
    assert [item.guide for item in items()] == [f"G{number}" for number in ITEMS]


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """cadence.task → what it looks at, of the DAGs as Airflow parses them."""
    dags = look(tmp_path_factory.mktemp("airflow"))["dags"]
    return {
        f"{dag_id.removeprefix('maintenance_')}.{task_id}": task
        for dag_id, dag in dags.items()
        for task_id, task in dag["tasks"].items()
    }


def test_each_item_names_tasks_that_are_there(tasks: dict[str, Any]) -> None:
    """A task or a group of the DAGs as they are parsed, and a section that reports have; a note where there is none."""
    for item in items():
        for place in item.at:
            assert [task for task in tasks if task == place or task.startswith(f"{place}.")], f"{item.guide}: {place}"
        assert item.section in SECTIONS and (item.at or item.note), item.guide


def test_each_task_that_looks_stands_under_its_item(tasks: dict[str, Any]) -> None:
    """What a DAG's line says of the guide is what the page says, and each that asks or looks is named by itself."""
    at = {item.guide: item.at for item in items()}
    named = {place for places in at.values() for place in places}
    looking = {name: task["look"] for name, task in tasks.items() if task["look"]}
    assert len(looking) > 60
    for name, seen in looking.items():
        places = at[seen["guide"]]
        assert [one for one in places if name == one or name.startswith(f"{one}.")], f"{name}: {seen['guide']}"
        assert name in named or not any(seen.get(kind) for kind in ("check", "inspection", "function")), name


def test_what_a_check_reads_is_the_file_that_is_there() -> None:
    """Each SQL path of the page exists; a group has what its tasks read."""
    paths = {one for item in items() for one in item.sources if one.startswith("include/")}
    assert len(paths) > 25
    assert [one for one in paths if not (ROOT / one).exists()] == []
    sources = {item.guide: item.sources for item in items()}
    assert sources["G49"] == ("include/sql/database/table_sizes.sql",)
    assert sources["G10"] == ("error-tracking get_error_analytics",)
    assert {"include/sql/database/table_sizes.sql", "include/sql/health/server.sql"} <= set(sources["G5"])


# Results -------------------------------------------------------------------------------------------------------------


@pytest.mark.guide("G139", "holds")
def test_every_item_has_its_task_its_sql_its_section_and_its_last_result(
    book: Ledger, site: Site, today: datetime
) -> None:
    """None at first, which is said; then the newest window's worst, with its place in the report."""
    html = site.ask("/guide").text
    for number in ITEMS:
        assert f'<tr id="G{number}"><th scope="row">G{number}</th>' in html
    assert "0 have a result" in Page(html).text and html.count("No result yet.") > 100
    assert "No function tells its memory" in row(site, "G87")
    (target,) = site.config.targets
    old, new = (window_of(target, "daily", today.replace(hour=2) - timedelta(days=days), days) for days in (1, 0))
    sizes = [finding(f"table_sizes:{name}", level, guide="G49") for name, level in (("a", "ok"), ("b", "warning"))]
    for window, seen in ((old, finding("table_sizes:a", Level.CRITICAL, guide="G49")), (new, None)):
        write(book, window, record(*([seen] if seen else sizes), step="database.table_sizes", at=window.due))
        reported(book, window, "warning", "a headline")
    html = site.ask("/guide").text
    said = Page(source(html, "G49")).text
    assert "maintenance_daily.database.table_sizes" in said and "include/sql/database/table_sizes.sql" in said
    assert "Findings" in said and "warning" in said and f"{new.due:%Y-%m-%d} 02:00 UTC" in said
    run = new.run_id.replace(":", "%3A").replace("+", "%2B")
    (link,) = Page(source(html, "G49")).links
    assert re.fullmatch(rf"dags/maintenance_daily/runs/{run}/report#f-\w+", link)
    assert "critical" not in said and "of its tasks" not in said
    assert "warning of its tasks" in Page(source(html, "G5")).text  # all that the group has found
    assert "No result yet." in row(site, "G50")
    assert "2 have a result" in Page(html).text


def test_an_item_of_an_alert_has_the_result_of_its_metric(book: Ledger, site: Site, today: datetime) -> None:
    """Critical alerts are judged from the metric's bands; the row of a checklist leads to the checklist."""
    window = window_of(site.config.targets[0], "daily", today.replace(hour=2))
    full = finding("metric:database_connections", Level.CRITICAL, guide="G35")
    write(book, window, record(full, step="health.system_status", at=window.due))
    assert "critical" in row(site, "G109") and "no report" in row(site, "G109")
    assert "No result yet" in row(site, "G106")
    reported(book, window, "critical", "a headline")
    (link,) = Page(source(site.ask("/guide").text, "G119")).links
    assert link.endswith("/report#checklist")


@pytest.mark.parametrize("became", ["failed", "superseded", "not collected", "killed"])
def test_what_was_not_looked_at_since_is_unknown(book: Ledger, site: Site, today: datetime, became: str) -> None:
    """A look that failed, was left out, or left no word: its old "ok" is none; the next look that ran ends it."""
    windows = [
        window_of(site.config.targets[0], "daily", today.replace(hour=2) - timedelta(days=days), days)
        for days in (2, 1, 0)
    ]
    asked, step = finding("x", Level.OK, guide="G8"), "health.system_status"
    full = finding("metric:database_connections", Level.OK, guide="G35")
    write(book, windows[0], record(asked, full, step=step), record(finding("y", Level.OK, guide="G8"), step="health.b"))
    assert "unknown" not in row(site, "G35") + row(site, "G2")
    lost = {"failed": (record(finding("z", Level.UNKNOWN, guide="G8"), step=step, state="failed"),), "killed": ()}
    tried = lost.get(became, (record(step=step, state=became),))
    write(book, windows[1], *tried, record(finding("y", Level.OK, guide="G8"), step="health.b"))
    since = f"looked at since {windows[0].due:%Y-%m-%d %H:%M} UTC"
    for guide, words in (("G35", f"not {since}"), ("G109", f"not {since}"), ("G2", f"not all {since}")):
        said = row(site, guide)
        assert "unknown" in said and "ok" not in said.replace("looked", "") and words in said
    write(book, windows[2], record(asked, full, step=step), record(asked, step="health.b"))
    for guide in ("G35", "G109", "G2"):
        assert "ok" in row(site, guide) and "unknown" not in row(site, guide) and "since" not in row(site, guide)


def test_a_run_by_hand_that_leaves_a_step_out_makes_nothing_unknown(book: Ledger, site: Site, today: datetime) -> None:
    """Nor does a window that is not over: its step may look yet."""
    (target,) = site.config.targets
    old = window_of(target, "daily", today.replace(hour=2), 1)
    write(book, old, record(finding("x", Level.OK, guide="G49"), step="database.table_sizes"))
    hand = window_of(target, "daily", today.replace(hour=3), 2, kind=WindowKind.MANUAL, run_id="manual__1")
    write(book, hand, record(step="database.table_sizes", state="not collected"))
    write(book, window_of(target, "daily", today, 3))
    assert "ok" in row(site, "G49") and "unknown" not in row(site, "G49")


def test_the_look_after_a_plan_counts_in_place_of_that_before_it(book: Ledger, site: Site, today: datetime) -> None:
    """As in the report: what was mended is wrong no more, also for the row of the checklist."""
    window = window_of(site.config.targets[0], "weekly", today - timedelta(hours=3))
    looks = [
        record(finding("dead:a", level, guide="G54"), step=f"{when}.optimisation.dead_rows")
        for when, level in (("evidence", Level.WARNING), ("after", Level.OK))
    ]
    write(book, window, looks[0])
    assert "warning" in row(site, "G54") and "warning" in row(site, "G123")
    write(book, window, looks[1])
    for guide in ("G54", "G123"):
        assert "ok" in row(site, guide) and "warning" not in row(site, guide)


def test_a_row_of_a_checklist_rests_on_what_the_checklist_says() -> None:
    """The steps of its evidence, those after a plan and of a rollback as well."""
    at = {item.guide: item.at for item in items()}
    assert {"weekly.evidence.indexes", "weekly.after.indexes"} <= set(at["G123"])
    assert at["G129"] == ("monthly.evidence.recovery", "monthly.evidence.rollback", "monthly.after.rollback")


def test_what_is_older_than_its_reach_is_no_result(book: Ledger, site: Site, today: datetime) -> None:
    """A hundred days, and ten looks of the step: the tenth from the newest still counts."""

    def seen(days: int, key: str, **fields: Any) -> str:
        window = window_of(site.config.targets[0], "daily", today - timedelta(days=days))
        write(book, window, record(finding(key, **fields), step="database.table_sizes", at=window.due))
        return row(site, "G49")

    assert "No result yet" in seen(101, "table_sizes:a", guide="G49")
    assert "warning" in seen(15, "table_sizes:a", guide="G49")
    assert all("warning" in seen(days, "other") for days in range(14, 5, -1))
    assert "No result yet" in seen(5, "other")


def test_each_target_that_the_visitor_may_read_has_its_own_result(
    book: Ledger, window: Window, tmp_path: Path, today: datetime
) -> None:
    """And one that they may not read is not on the page."""
    other = f"{window.target}_b"
    with served(config_with(tmp_path, window.target, other), as_dashboard(book), today) as site:
        for target, level in ((window.target, Level.OK), (other, Level.CRITICAL)):
            assert f"{other}: none in 100 days" in row(site, "G49") or target == window.target
            assert "0 have a result" in Page(site.ask("/guide").text).text
            mine = window_of(target, "daily", today.replace(hour=2))
            seen = finding("table_sizes:a", level, guide="G49")
            write(book, mine, record(seen, step="database.table_sizes", at=mine.due))
        said = row(site, "G49")
        assert re.search(rf"critical [-\d]+ 02:00 UTC: {other}.* ok [-\d]+ 02:00 UTC: {window.target}\b", said)
        assert "none in" not in row(site, "G49") and "2 have a result" in Page(site.ask("/guide").text).text
        site.hidden = frozenset({f"maintenance_daily__{other}"})
        assert "critical" not in row(site, "G49") and other not in site.ask("/guide").text


def test_what_is_the_same_of_several_targets_is_said_once(
    book: Ledger, window: Window, tmp_path: Path, today: datetime
) -> None:
    """Their level and window, and each target leads to its own report."""
    other = f"{window.target}_b"
    with served(config_with(tmp_path, window.target, other), as_dashboard(book), today) as site:
        for target in (window.target, other):
            mine = window_of(target, "daily", today.replace(hour=2), run_id=f"run_of_{target}")
            write(book, mine, record(finding("table_sizes:a", guide="G49"), step="database.table_sizes", at=mine.due))
            reported(book, mine, "ok", "a headline")
        html = source(site.ask("/guide").text, "G49")
        assert f"warning {today:%Y-%m-%d} 02:00 UTC: {window.target}, {other}" in Page(html).text
        assert [link.split("/")[3] for link in Page(html).links] == [f"run_of_{window.target}", f"run_of_{other}"]


def test_hostile_text_and_no_login(book: Ledger, site: Site, today: datetime) -> None:
    """A key and a run's id with markup are addresses and no more; nobody sees the page without a login."""
    window = window_of(site.config.targets[0], "daily", today.replace(hour=2), run_id=f"manual__{HOSTILE}")
    write(book, window, record(finding(HOSTILE, guide="G49"), finding("x", guide=HOSTILE), step=HOSTILE))
    reported(book, window, "warning", HOSTILE)
    html = site.ask("/guide").text
    assert "<script>alert" not in html and "\u202e" not in html and "dags/maintenance_daily/runs/manual__" in html
    assert site.ask("/guide", None).status_code == 401
    assert site.ask("/guide", None, Accept="text/html").status_code == 303


def test_the_ledger_away_is_said(empty_database: str, tmp_path: Path) -> None:
    """503 that tries again."""
    with served(config_with(tmp_path, "primary"), lambda: psycopg.connect(f"{empty_database} port=1")) as site:
        assert site.ask("/guide").status_code == 503
