"""Home over real HTTP and a real ledger: what is wrong and since when, what waits for whom, what is due and missed."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from tests.stages.ledger import Ledger, finding, record, write
from tests.stages.pages import (
    HOSTILE,
    Site,
    as_dashboard,
    became,
    config_with,
    lively,
    planned,
    reported,
    served,
    window_of,
)
from tests.stages.reports import Page
from upkeep.core.findings import Level, Sample
from upkeep.core.windows import Window
from upkeep.dashboard.page import CSP
from upkeep.settings.backups import Backups, Restore


def text(site: Site, user: str = "vera") -> str:
    """What Home says to somebody."""
    answer = site.ask("/", user)
    assert answer.status_code == 200, answer.text
    return Page(answer.text).text


@pytest.mark.guide("G117", "holds")
def test_the_worst_story_stands_first_with_since_when_its_owner_and_what_to_do(
    book: Ledger, site: Site, today: datetime
) -> None:
    """It appears with the first window that saw it and is gone with the first that does not."""
    (target,) = site.config.targets
    two = [window_of(target, "daily", (today - timedelta(days=days)).replace(hour=2), days) for days in (1, 0)]
    full = finding(
        "metric:database_connections", Level.CRITICAL, subject="Database connections", detail="93 %", remedy="Look who"
    )
    for window in two:
        write(book, window, record(full, step="database.connections", at=window.due))
        reported(book, window, "critical", "1 critical")
    said = text(site)
    assert "critical Title of" in said and "Database connections" in said and "Look who" in said
    assert f"since {two[0].due:%Y-%m-%d} 02:00 UTC" in said and "for 27 hours" in said
    assert "Database Administrator" in said
    write(book, two[1], record(replace(full, level=Level.OK), step="database.connections", at=today))
    said = text(site)
    assert "Nothing is wrong" in said and "Look who" not in said


def test_what_was_not_looked_at_is_not_ok(book: Ledger, site: Site, today: datetime) -> None:
    """Never, then in time, then not since yesterday: unknown, ok, unknown, and the page says which."""
    (target,) = site.config.targets
    assert "unknown Title of" in text(site) and "Never looked at" in text(site)
    window = window_of(target, "daily", today.replace(hour=2))
    calm = Sample("cpu_usage", 12.5, "%")
    write(book, window, record(finding("metric:cpu_usage", Level.OK), step="health.x", samples=(calm,)))
    reported(book, window, "ok", "All ok")
    said = text(site)
    assert "ok Title of" in said and "Nothing is wrong" in said and "12.5 %" in said and "stale" not in said
    site.now = today + timedelta(days=2)
    said = text(site)
    assert "unknown Title of" in said and "Nothing is wrong" not in said
    assert "Not looked at since" in said and "stale" in said


def test_a_month_of_windows_is_a_strip_and_each_leads_to_its_report(book: Ledger, site: Site, today: datetime) -> None:
    """Verdicts, misses and waivers in their order; a window that Airflow never ran is missed here at once."""
    (target,) = site.config.targets
    newest = lively(book, target, today)
    page = Page(site.ask().text)
    cells = [attrs for tag, attrs in page.tags if "cell " in (attrs.get("class") or "")]
    assert len(cells) == 30
    states = [(attrs["class"] or "").split()[2] for attrs in cells]
    assert states.count("missed") == 2 and states.count("waived") == 2 and states[-1] == "done"
    run = newest.run_id.replace(":", "%3A").replace("+", "%2B")
    assert cells[-1]["href"] == f"dags/maintenance_daily/runs/{run}/report"
    assert "2 missed windows" in page.text
    assert re.search(r"daily in 21 hours", page.text) and "monthly in" in page.text


def test_open_findings_are_counted_by_owner_and_age(book: Ledger, site: Site, today: datetime) -> None:
    """Each owner's row has what began within a day, a week, a month, and all of them."""
    lively(book, site.config.targets[0], today)
    html = site.ask().text
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', html, re.DOTALL)
    found = {owner: " ".join(Page(cells).text.split()) for owner, cells in rows}
    assert found["Database Administrator"] == "–––1 advisory1"
    assert found["DevOps Engineer"].startswith("–1 warning3 critical–4")


def test_what_waits_for_whom_comes_first_to_those_who_may_answer(book: Ledger, site: Site, today: datetime) -> None:
    """A row a question, the visitor's own on top with a link to answer; the others say who may."""
    (target,) = site.config.targets
    planned(book, target, today)
    site.waiting = {("maintenance_weekly", f"scheduled__{target}", f"approve.{role}", -1) for role in ("dba", "devops")}
    hers, his, hers_to_see = text(site, "dora"), text(site, "omar"), text(site, "vera")
    assert "Database Administrator: weekly plan: 2 of 3 actions (1 × drop, 1 × vacuum) for you" in hers
    assert "DevOps Engineer: weekly plan: 3 actions (1 × drop, 2 × vacuum) for you" in his
    assert hers.index("Database Administrator: weekly") < hers.index("DevOps Engineer: weekly")
    assert his.index("DevOps Engineer: weekly") < his.index("Database Administrator: weekly")
    assert "for you" not in hers_to_see and "may answer: dora, vito" in hers_to_see
    assert "for you" not in text(site, "vito")  # holds the role, yet Airflow lets a viewer answer nothing
    links = Page(site.ask("/", "dora").text).links
    assert f"questions/maintenance_weekly/scheduled__{target}/approve.dba" in links
    assert "right after the last role's answer" in hers


def test_what_is_no_question_any_more_is_not_shown(book: Ledger, site: Site, today: datetime) -> None:
    """One that Airflow no longer asks, that somebody has answered, whose time is over, whose run has a report."""
    (target,) = site.config.targets
    planned(book, target, today)
    assert "Nobody is asked anything" in text(site)
    site.waiting = {("maintenance_weekly", f"scheduled__{target}", f"approve.{role}", -1) for role in ("dba", "devops")}
    assert text(site).count("weekly plan") == 2 * 2  # the link says it once more to those who do not see
    book.change(
        """INSERT INTO upkeep.decisions (shown_id, digest, role, person, action_ids, reviewed, comment, responded_at)
           SELECT s.id, s.digest, s.role, 'dora', '{1}', '{}', '', now() FROM upkeep.shown s JOIN upkeep.plans p
           USING (digest) WHERE p.target = %s AND s.role = 'dba'""",
        target,
    )
    assert text(site).count("weekly plan") == 2
    site.now = today + timedelta(hours=2)
    assert "Nobody is asked anything" in text(site)
    site.now = today
    weekly = window_of(target, "weekly", today - timedelta(hours=1), run_id=f"scheduled__{target}")
    reported(book, weekly, "ok", "done")
    assert "Nobody is asked anything" in text(site)


def test_a_plan_that_was_changed_in_the_ledger_is_said_to_be(book: Ledger, site: Site, today: datetime) -> None:
    """Its text does not give its digest: the page shows that instead of what the text says."""
    (target,) = site.config.targets
    planned(book, target, today, roles=("dba",))
    site.waiting = {("maintenance_weekly", f"scheduled__{target}", "approve.dba", -1)}
    book.change("UPDATE upkeep.plans SET body = replace(body, 'vacuum', 'reindex') WHERE target = %s", target)
    said = text(site)
    assert "changed in the ledger: no answer counts" in said and "reindex" not in said


@pytest.mark.parametrize("path", ["/", "/questions/maintenance_weekly/manual__1%2B2/approve.dba"])
def test_without_a_login_a_browser_is_led_to_airflows_and_a_program_gets_a_401(
    empty_database: str, tmp_path: Path, path: str
) -> None:
    """Before the ledger is asked; the login leads back to the page."""

    def never() -> psycopg.Connection[object]:
        raise AssertionError("the ledger was asked before the permission")

    with served(config_with(tmp_path, "primary"), never) as site:
        browser = site.ask(path, None, Accept="text/html,*/*")
        program = site.ask(path, None)
    assert (browser.status_code, program.status_code) == (303, 401)
    assert browser.headers["Location"] == f"{'../' * path.count('/')}api/v2/auth/login?next={quote(path, safe='')}"
    assert program.headers["Content-Security-Policy"] == CSP


def test_nobody_sees_a_target_whose_runs_they_may_not_read(
    book: Ledger, window: Window, tmp_path: Path, today: datetime
) -> None:
    """One of two targets is hidden, and with it whatever names it; with both hidden the page is refused."""
    other = f"{window.target}_b"
    with served(config_with(tmp_path, window.target, other), as_dashboard(book), today) as site:
        lively(book, window.target, today, 3)
        lively(book, other, today, 3)
        assert other in site.ask().text
        site.hidden = frozenset({f"maintenance_weekly__{other}"})
        seen = site.ask()
        assert seen.status_code == 200 and other not in seen.text and f"Title of {window.target}" in seen.text
        site.hidden |= {"maintenance_daily"}
        assert site.ask().status_code == 403


@pytest.mark.parametrize("name", ["subject", "detail", "remedy", "key"])
def test_hostile_text_stays_text(book: Ledger, site: Site, today: datetime, name: str) -> None:
    """Whatever a finding holds is escaped, and what would hide is spelled out."""
    (target,) = site.config.targets
    window = window_of(target, "daily", today.replace(hour=2), run_id=f"manual__{HOSTILE}")
    bad = finding(**({"key": "a", "level": Level.CRITICAL} | {name: HOSTILE}))
    write(book, window, record(bad, step="health.x", at=window.due))
    reported(book, window, "critical", HOSTILE)
    became(book, window, "done", HOSTILE)
    html = site.ask().text
    assert "<script>alert" not in html and "\u202e" not in html
    assert "&lt;script&gt;" in html and "⟨U+202E⟩" in html and "{{ 7*7 }}" in html


def test_the_ledger_away_is_said_and_tried_again(empty_database: str, tmp_path: Path) -> None:
    """503 that names the Connection, says nothing of the inside and asks again by itself; then the page is back."""
    config = config_with(tmp_path, "primary")
    for dsn in (f"{empty_database} port=1 connect_timeout=2", empty_database):  # no server there; no tables there
        with served(config, partial(psycopg.connect, dsn)) as site:
            away = site.ask()
        assert away.status_code == 503 and "my_ledger" in away.text and "data-again" in away.text
        for word in ("Traceback", "psycopg", "127.0.0.1", "does not exist"):
            assert word not in away.text
        assert away.headers["Content-Security-Policy"] == CSP


def test_the_pages_run_no_script_and_no_style_of_their_text(site: Site) -> None:
    """The policy allows files of ours alone, and the page holds neither inline."""
    answer = site.ask()
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy and "default-src 'none'" in policy and "frame-ancestors 'self'" in policy
    page = Page(answer.text)
    assert "<style" not in answer.text and not [1 for _, attrs in page.tags if "style" in attrs]
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    loaded = [attrs.get("src") or attrs.get("href") or "" for tag, attrs in page.tags if tag in ("script", "link")]
    assert len(loaded) == 3
    for address in loaded:
        file = site.ask(f"/{address}", None)
        assert file.status_code == 200 and "immutable" in file.headers["Cache-Control"]
        assert "http" not in file.text.replace("http://www.w3.org", "")
    assert site.ask("/static/app.py", None).status_code == 404


@pytest.mark.guide("G102", "holds")
def test_what_the_last_proven_drill_measured_stands_beside_what_may_be(
    book: Ledger, site: Site, today: datetime
) -> None:
    """None yet, then one within RTO and RPO with its report, then one that was too slow; an unproven one is none.

    One that left anything critical or unknown has proven nothing; what is older than the last monthly window says so.
    """
    (target,) = site.config.targets
    assert "drill" not in text(site)
    restore = Restore(scratch=Path("/s"), programs=Path("/p"), max_rto_minutes=10, max_rpo_minutes=20)
    backups = Backups(base=Path("/b"), wal=Path("/w"), restore=restore)
    main = site.config.maintenance
    targets = {target: main.targets[target].model_copy(update={"backups": backups})}
    config = site.config.model_copy(update={"maintenance": main.model_copy(update={"targets": targets})})
    with served(config, as_dashboard(book), today) as restoring:
        assert "No recovery drill has proven a backup yet." in text(restoring)
        window = replace(window_of(target, "monthly", today.replace(hour=2)), run_id="manual__drill")

        def drilled(seconds: float, missing: float, **parts: Level) -> None:
            levels = {"control": Level.OK, "before": Level.OK, "rto": Level.WARNING} | parts
            parts_seen = [finding(f"drill:{name}", level) for name, level in levels.items()]
            seen = finding("drill", Level.OK), *parts_seen
            took = Sample("recovery_time", seconds, "s"), Sample("recovery_point", missing, "s")
            took += (Sample("canary_age", 7200, "s"),)
            write(book, window, record(*seen, step="evidence.recovery.drill", samples=took))

        drilled(21, 300, canary=Level.UNKNOWN)  # says nothing of the backup
        html = restoring.ask().text
        said = Page(html).text
        assert (
            "the restored copy answered after 21.0 s (RTO: at most 10 min), 5 min of the newest work was missing"
            in said
        )
        assert (
            "(RPO: at most 20 min), the newest canary row was 2 hours old." in said and "No recovery drill" not in said
        )
        assert "dags/maintenance_monthly/runs/manual__drill/report" in Page(html).links
        assert '<p class="soft">Recovery drill' in html
        drilled(5, 5, control=Level.CRITICAL)
        drilled(5, 5, before=Level.CRITICAL)
        drilled(5, 5, after=Level.UNKNOWN)
        assert "answered after 21.0 s" in text(restoring)
        drilled(660, 300)
        html = restoring.ask().text
        assert "answered after 11 min" in Page(html).text and '<p class="stale">Recovery drill' in html
        drilled(30, 300)
        assert '<p class="soft">Recovery drill' in restoring.ask().text
    with served(config, as_dashboard(book), today + timedelta(days=60)) as later:
        html = later.ask().text
        assert "none has proven a backup since the last monthly window: the restored copy answered after 30.0" in html
        assert '<p class="stale">Recovery drill' in html
