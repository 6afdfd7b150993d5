"""The page of databases over real HTTP and a real ledger: tables, indexes, slow statements as the windows saw them."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from tests.stages.databases import index, seen, slow, table
from tests.stages.ledger import Ledger, finding, record, write
from tests.stages.pages import HOSTILE, Site, as_dashboard, config_with, served, window_of
from tests.stages.reports import Page
from upkeep.core.findings import Level
from upkeep.core.windows import Window

DAY = timedelta(days=1)


def ask(site: Site, query: str = "", status: int = 200) -> str:
    """The page's HTML."""
    answer = site.ask(f"/databases{query}")
    assert answer.status_code == status, answer.text
    return answer.text


def rows(html: str) -> dict[str, str]:
    """The first column → the text of its row, in the page's order."""
    found = re.findall(r"<tr>(<th scope=\"row\".*?)</tr>", html, re.DOTALL)
    return {Page(row.partition("</th>")[0]).text: Page(row.partition("</th>")[2]).text for row in found}


def cells(html: str, name: str) -> list[str]:
    """The cells of one row, as text."""
    (row,) = [row for row in re.findall(r"<tr>(<th scope=\"row\".*?)</tr>", html, re.DOTALL) if f">{name}<" in row]
    return [Page(cell).text for cell in re.findall(r"<td>(.*?)</td>", row, re.DOTALL)]


# Tables --------------------------------------------------------------------------------------------------------------


@pytest.mark.guide("G49", "holds")
def test_tables_with_their_growth_and_dead_rows(book: Ledger, site: Site) -> None:
    """As the newest look saw them, beside one of a week before; each leads to its trend."""
    (target,) = site.config.targets
    seen(book, target, site.now - 7 * DAY, *table("public.a", 10), *table("public.gone", 5))
    assert cells(ask(site), "public.a") == ["10 MB", "–", "1,000", "0", ""]
    seen(book, target, site.now - 3 * DAY, *table("public.a", 99))
    newest = seen(book, target, site.now, *table("public.a", 24, 750, 250), *table("public.b", 1))
    html = ask(site)
    assert cells(html, "public.a") == ["24 MB", "+2 MB", "750", "250 25.0 %", ""]
    assert cells(html, "public.b")[1] == "–" and "public.gone" not in html
    links = Page(html).links
    assert f"trends?target={target}&of=table_bytes%7Cpublic.a" in links
    assert f"dags/maintenance_daily/runs/{quote(newest.run_id, safe='')}/report" in links
    assert site.ask(f"/trends?target={target}&of=table_bytes%7Cpublic.a").status_code == 200
    assert "No database is asked" in Page(html).text and "10 largest tables" in Page(html).text


def test_looks_that_are_close_have_no_rate_a_day(book: Ledger, site: Site) -> None:
    """Of what grew in minutes nobody makes days, as the check does not; from 20 hours on it is told."""
    (target,) = site.config.targets
    for ago, size in ((timedelta(hours=19), 10), (timedelta(), 11)):
        seen(book, target, site.now - ago, *table("public.a", size), *index("public.i", 1, size))
    html = ask(site)
    assert cells(html, "public.a")[1] == "–" and "beside" not in Page(html).text
    assert cells(ask(site, "?of=indexes"), "public.i")[2] == "–"
    seen(book, target, site.now - timedelta(hours=24), *table("public.a", 10), *index("public.i", 1, 5))
    html = ask(site)
    assert cells(html, "public.a")[1] == "+1 MB" and "beside" in Page(html).text
    assert cells(ask(site, "?of=indexes"), "public.i")[2] == "6"


def test_it_sorts_by_each_column_both_ways(book: Ledger, site: Site) -> None:
    """A click sorts, another turns it round; what is not known comes last either way."""
    (target,) = site.config.targets
    seen(book, target, site.now - 8 * DAY, *table("public.a", 1), *table("public.b", 9))
    seen(book, target, site.now, *table("public.a", 3, 7, 1), *table("public.b", 2, 8, 0), *table("public.c", 1, 9, 5))
    orders = {
        "size": "abc", "size&order=asc": "cba",
        "name": "abc", "name&order=desc": "cba",
        "growth": "abc", "growth&order=asc": "bac",
        "live": "cba", "dead": "cab", "dead&order=asc": "bac",
    }  # fmt: skip
    for query, expected in orders.items():
        assert list(rows(ask(site, f"?sort={query}"))) == [f"public.{name}" for name in expected], query
    html = ask(site, "?sort=live")
    (again,) = re.findall(r'aria-sort="descending"><a href="databases([^"]*)"', html)
    assert next(iter(rows(ask(site, again.replace("&amp;", "&"))))) == "public.a"
    assert html.count('aria-sort="none"') == 4


def test_a_filter_keeps_what_has_it_in_its_name(book: Ledger, site: Site) -> None:
    """Whatever the case; one that nothing has says so, and leads back."""
    seen(book, site.config.targets[0], site.now, *table("public.Error_logs", 3), *table("public.users", 2))
    assert list(rows(ask(site, "?filter=error"))) == ["public.Error_logs"]
    html = ask(site, f"?filter={quote(HOSTILE)}")
    assert "No table of 2 has" in Page(html).text and "<script>alert" not in html and "\u202e" not in html
    (back,) = re.findall(r'<a href="(databases[^"]*)">All 2</a>', html)
    assert len(rows(ask(site, back.removeprefix("databases").replace("&amp;", "&")))) == 2


@pytest.mark.parametrize("kind", ["dead_rows:", "bloat:", "bloat:table:"])
def test_a_row_leads_to_its_finding_until_a_look_is_without_it(book: Ledger, site: Site, kind: str) -> None:
    """In the report of the window that saw it; a look of that name without it ends it."""
    (target,) = site.config.targets
    seen(book, target, site.now, *table("public.a", 3), *table("public.b", 3))
    weekly = window_of(target, "weekly", site.now - DAY)
    step = f"evidence.optimisation.{kind.partition(':')[0]}"
    write(book, weekly, record(finding(f"{kind}public.a", Level.ADVISORY, subject="a needs it"), step=step))
    html = ask(site)
    assert cells(html, "public.a")[-1] == "advisory: a needs it, in the report" and cells(html, "public.b")[-1] == ""
    assert [link for link in Page(html).links if "maintenance_weekly" in link and "/report#f-" in link]
    blind = finding("optimisation", Level.UNKNOWN)
    write(book, weekly, record(finding(kind, Level.OK), blind, step=step.replace("evidence.", "after.")))
    assert cells(ask(site), "public.a")[-1] == "advisory: a needs it, in the report"  # that look could not see all
    write(book, weekly, record(finding(kind, Level.OK), step=step.replace("evidence.", "after.")))
    assert cells(ask(site), "public.a")[-1] == ""


# Indexes -------------------------------------------------------------------------------------------------------------


@pytest.mark.guide("G53", "holds")
def test_indexes_with_their_scans_and_when_they_were_used(book: Ledger, site: Site) -> None:
    """How often since the counters began, how often a day, when last, or since when not; and what a window advises."""
    (target,) = site.config.targets
    told = {"table": "public.a", "unique": False, "valid": True, "known": "2026-01-02T00:00:00+00:00", "used": None}
    snapshot = {
        "since": "2026-01-01T00:00:00+00:00",
        "indexes": {
            "public.idle": told,
            "public.still": told,
            "public.busy": told | {"unique": True, "used": "2026-02-03T04:05:06+00:00"},
        },
    }
    seen(book, target, site.now - 10 * DAY, *table("public.a", 1), *index("public.busy", 1, 100))
    counted = (*index("public.busy", 2, 300), *index("public.idle", 3, 0), *index("public.still", 1, 7))
    seen(book, target, site.now, *table("public.a", 1), *counted, snapshot=snapshot)
    weekly = window_of(target, "weekly", site.now - DAY)
    write(
        book,
        weekly,
        record(finding("unused_indexes:public.idle", Level.ADVISORY), step="evidence.indexes.unused_indexes"),
    )
    html = ask(site, "?of=indexes")
    assert list(rows(html)) == ["public.idle", "public.busy unique", "public.still"]
    assert cells(html, "public.busy")[:5] == ["2 MB", "300", "20", "2026-02-03", "public.a"]
    assert cells(html, "public.idle")[1:4] == ["0", "–", "unused since 2026-01-01, or since it was made"]
    assert cells(html, "public.still")[3] == "not since 2026-01-02"
    assert cells(html, "public.idle")[-1].startswith("advisory")
    assert next(iter(rows(ask(site, "?of=indexes&sort=used")))) == "public.busy unique"
    assert next(iter(rows(ask(site, "?of=indexes&sort=scans&order=asc")))) == "public.idle"
    assert f"trends?target={target}&of=index_scans%7Cpublic.busy" in Page(html).links


def test_an_index_is_not_unused_since_before_it_was_there(book: Ledger, site: Site) -> None:
    """One that an earlier look did not have is unused since it was first seen, or since the counters began anew."""
    (target,) = site.config.targets
    told = {"table": "public.a", "unique": False, "valid": True, "known": "2026-01-02T00:00:00+00:00", "used": None}
    told_of = {"public.old": told, "public.young": told | {"known": "2026-03-04T00:00:00+00:00"}}
    counted = (*table("public.a", 1), *index("public.old", 1, 0), *index("public.young", 1, 0))
    for minutes, since, words in ((2, "2026-01-01", "2026-03-04"), (1, "2026-05-06", "2026-05-06")):
        snapshot = {"since": f"{since}T00:00:00+00:00", "indexes": told_of}
        seen(book, target, site.now - timedelta(minutes=minutes), *counted, snapshot=snapshot)
        html = ask(site, "?of=indexes")
        assert cells(html, "public.young")[3] == f"unused since {words}"
        assert cells(html, "public.old")[3] == f"unused since {since}, or since it was made"


def test_a_counter_that_was_reset_has_no_rate(book: Ledger, site: Site) -> None:
    """It fell: how often the index was used between is not known."""
    (target,) = site.config.targets
    for ago, scans in ((10, 500), (0, 3)):
        seen(book, target, site.now - ago * DAY, *table("public.a", 1), *index("public.i", 1, scans))
    assert cells(ask(site, "?of=indexes"), "public.i")[2] == "–"


# Statements ----------------------------------------------------------------------------------------------------------


@pytest.mark.guide("G84", "holds")
def test_slow_statements_have_a_history(book: Ledger, site: Site) -> None:
    """Since when each is slow, how often it was seen, and its mean then and now; what is slow no more is gone."""
    (target,) = site.config.targets
    slow(book, target, site.now - 14 * DAY, one=1000.0, past=5000.0)
    slow(book, target, site.now - 7 * DAY, one=1500.0)
    slow(book, target, site.now, one=2000.0, two=9000.0)
    html = ask(site, "?of=statements")
    assert list(rows(html)) == ["SELECT two", "SELECT one"]
    first = f"{site.now - 14 * DAY:%Y-%m-%d}"
    assert cells(html, "SELECT one") == [
        "2,000 ms 1,000 ms at first", "10", "20 s", f"{first} 3 looks",
        "advisory: Slow statement one of app, in the report",
    ]  # fmt: skip
    assert list(rows(ask(site, "?of=statements&sort=first"))) == ["SELECT one", "SELECT two"]
    assert list(rows(ask(site, "?of=statements&filter=select%20two"))) == ["SELECT two"]
    slow(book, target, site.now + timedelta(minutes=1))
    assert "No statement was slow" in Page(ask(site, "?of=statements")).text


def test_a_statement_is_slow_since_the_first_look_without_a_break(book: Ledger, site: Site) -> None:
    """One that was fast between begins anew; no look is named that none of the rows is compared with."""
    (target,) = site.config.targets
    slow(book, target, site.now - 28 * DAY, one=5000.0)
    slow(book, target, site.now - 21 * DAY, other=1000.0)
    slow(book, target, site.now - 14 * DAY, one=1000.0)
    slow(book, target, site.now - 7 * DAY, one=1500.0)
    slow(book, target, site.now, one=2000.0)
    html = ask(site, "?of=statements")
    assert cells(html, "SELECT one")[0] == "2,000 ms 1,000 ms at first"
    assert cells(html, "SELECT one")[3] == f"{site.now - 14 * DAY:%Y-%m-%d} 3 looks"
    assert "beside" not in Page(html).text


# States, bad input, access -------------------------------------------------------------------------------------------


def test_nothing_was_looked_at_yet(blank: Site) -> None:
    """Each list says so, and what will change it."""
    for of, words in (("tables", "table_sizes"), ("indexes", "table_sizes"), ("statements", "slow_queries")):
        assert words in Page(ask(blank, f"?of={of}")).text


def test_an_old_look_looks_old(book: Ledger, site: Site) -> None:
    """A look that a later window should have replaced; one in time is none, nor is one that saw nothing."""
    (target,) = site.config.targets
    seen(book, target, site.now.replace(hour=2) - 3 * DAY, *table("public.a", 1))
    assert "Not looked at since" in Page(ask(site)).text and "3 days ago" in Page(ask(site)).text
    seen(book, target, site.now.replace(hour=2))
    assert "Not looked at since" in Page(ask(site)).text
    seen(book, target, site.now.replace(hour=2, minute=1), *table("public.a", 1))
    assert "Not looked at since" not in Page(ask(site)).text


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("of=nothing", 400, "found the list 'nothing', expected one of: tables, indexes, statements"),
        ("sort=colour", 400, "found the column 'colour', expected one of: name, size, growth, live, dead"),
        ("of=indexes&sort=growth", 400, "found the column 'growth', expected one of: name, size, scans"),
        ("sort=__class__", 400, "found the column '__class__'"),
        ("order=up", 400, "found the order 'up', expected one of: desc, asc"),
        (f"sort={quote(HOSTILE)}", 400, "found the column"),
        (f"filter={'x' * 201}", 400, "found a filter of 201 characters, expected at most 200"),
        ("target=nowhere", 404, "found no target 'nowhere' that you may read"),
        (f"target={quote(HOSTILE)}", 404, "found no target"),
    ],
)
def test_what_is_wrong_to_ask_is_said(blank: Site, query: str, status: int, words: str) -> None:
    """What was found and what was expected, and nothing of it is markup."""
    html = ask(blank, f"?{query}", status)
    assert words in Page(html).text and "<script>alert" not in html


def test_hostile_names_are_text_and_addresses(book: Ledger, site: Site) -> None:
    """Of tables, indexes, statements and findings."""
    (target,) = site.config.targets
    told = {"table": HOSTILE, "unique": False, "valid": True, "known": None, "used": None}
    snapshot = {"since": None, "indexes": {HOSTILE: told}}
    seen(book, target, site.now, *table(HOSTILE, 1), *index(HOSTILE, 1, 0), snapshot=snapshot)
    bad = finding(f"dead_rows:{HOSTILE}", Level.ADVISORY, subject=HOSTILE)
    write(book, window_of(target, "weekly", site.now), record(bad, step="evidence.optimisation.dead_rows"))
    slow(book, target, site.now, **{HOSTILE: 2000.0})
    for of in ("tables", "indexes", "statements"):
        html = ask(site, f"?of={of}")
        assert len(rows(html)) == 1 and "⟨U+202E⟩" in html
        assert "<script>alert" not in html and "\u202e" not in html
        (link,) = [link for link in Page(html).links if link.startswith("trends?")]
        assert site.ask(f"/{link}").status_code in (200, 404)


def test_who_may_not_read_a_target_sees_nothing_of_it(book: Ledger, window: Window, tmp_path: Path) -> None:
    """Neither its tables nor its name; without a login nobody sees anything."""
    other = f"{window.target}_b"
    with served(config_with(tmp_path, window.target, other), as_dashboard(book)) as site:
        seen(book, other, site.now, *table("public.secret", 1))
        assert "public.secret" in ask(site, f"?target={other}") and "public.secret" not in ask(site)
        site.hidden = frozenset({f"maintenance_daily__{other}"})
        assert other not in ask(site)
        assert "public.secret" not in ask(site, f"?target={other}", 404)
        assert site.ask("/databases", None).status_code == 401
        assert site.ask("/databases", None, Accept="text/html").status_code == 303


def test_the_ledger_away_is_said(empty_database: str, tmp_path: Path) -> None:
    """503 that tries again."""
    with served(config_with(tmp_path, "primary"), lambda: psycopg.connect(f"{empty_database} port=1")) as site:
        assert site.ask("/databases").status_code == 503


def test_many_rows_are_a_page_of_at_most_150_kb(book: Ledger, site: Site) -> None:
    """200 of them; how many more there are is said, and a filter finds them."""
    many = [one for number in range(250) for one in index(f"public.a_rather_long_name_of_an_index_{number}", 1, number)]
    seen(book, site.config.targets[0], site.now, *table("public.a", 1), *many)
    html = ask(site, "?of=indexes&sort=scans")
    assert len(rows(html)) == 50 and "and 200 more" in Page(html).text
    (more,) = re.findall(r'<a href="databases([^"]*)">list 200</a>', html)
    html = ask(site, more.replace("&amp;", "&"))
    assert len(rows(html)) == 200 and "and 50 more: filter" in Page(html).text and len(html.encode()) <= 150_000
    assert len(rows(ask(site, "?of=indexes&filter=index_24"))) == 11
