"""What a reader gets out of a report: how long it is, since when, before and now, plots with their data, statements."""

from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from playwright.sync_api import Browser

from tests.stages.browser import browser, serious  # noqa: F401  # a fixture
from tests.stages.days import healthy_day
from tests.stages.reports import DAY, DUE, Page, earlier, finding, report, step
from tests.stages.weekly_reports import BOTH, TITLES, action, attempt, gate, plan, weekly
from tests.stages.weekly_reports import step as weekly_step
from upkeep.core.findings import Bands, Interval, Level, Sighting
from upkeep.core.text import runnable
from upkeep.report.document import to_json
from upkeep.report.forecasts import said
from upkeep.report.gate import PlanRecord
from upkeep.report.model import History, Point
from upkeep.report.page import to_html
from upkeep.report.plots import plot, time_axis

PHONE = {"width": 390, "height": 844}


# How long it is ---------------------------------------------------------------------------------------------------


def test_a_healthy_day_is_three_screens_on_a_phone(browser: Browser) -> None:  # noqa: F811
    """A report of all steps, findings and metrics of a daily window; nothing is wider than the screen."""
    context = browser.new_context(viewport=PHONE, bypass_csp=True)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_content(to_html(healthy_day()))
    assert page.evaluate("document.documentElement.scrollHeight") <= 3 * PHONE["height"]
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert not serious(page)
    context.close()


def test_what_needs_nobody_is_folded_and_what_needs_somebody_is_not(browser: Browser) -> None:  # noqa: F811
    """Advice such as "nothing to compare with yet", what is ok, rows with good evidence and the steps; no warning."""
    quiet = finding("advisory", "new:a", detail="nothing to compare with yet")
    loud = finding("warning", "metric:b", subject="Loud", detail="LOUD")
    one = replace(healthy_day(), steps=(*healthy_day().steps, step(quiet, loud)))
    page = browser.new_page()
    page.set_content(to_html(one))
    seen, whole = page.locator("body").inner_text(), page.locator("body").text_content() or ""
    page.close()
    for words in (
        "LOUD",
        "1 ADVISORY",
        "4 OF 5 ROWS: EVIDENCE OK",
        "CHECK SYSTEM HEALTH DASHBOARD",
        "22 STEPS, ALL RAN",
    ):
        assert words in seen.upper()
    for folded in ("nothing to compare with yet", "Verify backup completion", "database.table_sizes", "table_3"):
        assert folded in whole and folded not in seen


def test_what_to_do_first_leads_to_what_is_folded(browser: Browser) -> None:  # noqa: F811
    """A click, or Enter, opens the fold that holds it."""
    page = browser.new_page()
    page.set_content(to_html(report(step(finding("advisory", "new:a", detail="nothing to compare with yet")))))
    found = page.get_by_text("nothing to compare with yet", exact=True)
    assert not found.is_visible()
    page.get_by_role("link", name="Where").press("Enter")
    found.wait_for(state="visible")
    page.close()


# Since when -------------------------------------------------------------------------------------------------------


def test_since_when_it_is_seen_stands_beside_begun() -> None:
    """The look that saw it first without a break, the last one without it, and when it was seen first of all."""
    found = finding("warning", "it")
    seen = {"it": Sighting(DUE - 2 * DAY, DUE - 3 * DAY, DUE - 40 * DAY)}
    text = Page(to_html(report(step(found), since=seen, made_at=DUE))).text
    assert "Seen since 2026-07-03 02:00 UTC, 2 days ago (first seen on 2026-05-26 02:00 UTC, gone in between)" in text
    assert "Begun after 2026-07-02 02:00 UTC, when a look did not find it" in text
    (told,) = to_json(report(step(found), since=seen))["findings"]
    assert [told[name][:10] for name in ("since", "begun_after", "first_seen")] == [
        "2026-07-03",
        "2026-07-02",
        "2026-05-26",
    ]
    fresh = report(step(found), since={"it": DUE}, made_at=DUE)
    assert "Begun not known: no earlier look without it is on record" in Page(to_html(fresh)).text
    assert to_json(fresh)["findings"][0]["first_seen"] == "2026-07-05T02:00:00+00:00"


# Before and now ---------------------------------------------------------------------------------------------------


def test_what_a_plan_changed_is_told_in_numbers() -> None:
    """Dead rows before and after, in percent; the size that a dropped index gave back; nothing not measured."""
    rows = attempt(before={"dead_rows": 677, "live_rows": 323}, after={"dead_rows": 0, "live_rows": 323})
    drop = action(2, "t2_idx", verb="drop", kind="indexes", statement='DROP INDEX CONCURRENTLY "public"."t2_idx"')
    told = PlanRecord(
        BOTH,
        {"1": (rows,), "2": (attempt(before={"bytes": 589_824}, after={}),), "3": (attempt(),)},
        titles=TITLES,
    )
    dirty = [finding("advisory", f"dead_rows:public.{name}", detail="dirty") for name in ("t1", "t2_idx", "t3")]
    one = weekly(
        weekly_step("evidence.dead_rows", *dirty),
        weekly_step("after.dead_rows"),
        gate=gate(plan(action(1, "t1"), drop, action(3, "t3")), told),
    )
    text = Page(to_html(one)).text
    assert "gone · public.t1 dead rows 67.7 % → 0 % before: dirty" in text
    assert "gone · public.t2_idx size 576 kB → 0 before: dirty" in text
    assert "gone · public.t3 before: dirty" in text
    assert "Dead rows 677 → 0 67.7 % → 0 %" in text
    assert [look["measured"] for look in to_json(one)["looks"]] == ["dead rows 67.7 % → 0 %", "size 576 kB → 0", ""]


def test_what_got_better_says_its_value_before_and_now() -> None:
    """Beside the old level and value stands the new value."""
    was = earlier("metric:cpu_usage", "warning", subject="CPU usage", detail="84 %")
    one = report(
        step(finding("ok", "metric:cpu_usage", detail="31 %"), started=DUE), earlier=(was,), last_due=DUE - DAY
    )
    assert "now ok · was warning CPU usage 84 % → 31 %" in Page(to_html(one)).text


# Plots ------------------------------------------------------------------------------------------------------------

BANDS = {
    "rises": (Bands(*map(Interval.parse, ("[0, 0.5)", "[0.5, 2]", "(2, 100]")), "%", "G34"), 0.2, 90.0),
    "falls": (Bands(*map(Interval.parse, ("(95, 100]", "[90, 95]", "[0, 90)")), "%", "G32"), 98.0, 5.0),
    "nothing judges it": (None, 200.0, 90_000.0),
}


def history(bands: Bands | None, *values: float | None) -> History:
    dues = [DUE - n * DAY for n in reversed(range(len(values)))]
    points = tuple(Point(due, due - DAY, "calendar", value) for due, value in zip(dues, values, strict=True))
    return History("m", "M", bands, points, own_unit="requests")


@pytest.mark.parametrize("which", BANDS)
def test_one_outlier_moves_no_other_mark_and_says_its_value(which: str) -> None:
    """Among fourteen usual values; the axis is what it is without it, and the number stands at the edge."""
    bands, usual, far = BANDS[which]
    values = [usual * (1 + n % 3 / 100) for n in range(14)]
    with_it = plot(history(bands, *values[:7], far, *values[7:]))
    without = plot(history(bands, *values[:7], None, *values[7:]))
    outlier = with_it.marks[7]
    assert [mark.y for mark in with_it.marks if mark is not outlier] == [mark.y for mark in without.marks]
    assert (outlier.off, outlier.says) == ("below" if which == "falls" else "above", f"{far:,.0f}")
    assert f">{far:,.0f}</text>" in to_html(report(history=(history(bands, *values, far),)))


def test_numbers_at_the_edge_do_not_lie_upon_each_other() -> None:
    """Of outliers side by side the newest has its number, and each has it in the data."""
    drawn = plot(history(None, *[1.0] * 20, 900.0, 800.0, *[1.0] * 9))
    assert [(mark.off, mark.says) for mark in drawn.marks if mark.off] == [("above", ""), ("above", "800")]
    assert {"900 requests", "800 requests"} <= {row.value for row in drawn.data}


def test_the_horizontal_axis_is_time() -> None:
    """Two days are twice as wide as one; dates stand beneath, hours where the whole is less than two days."""
    points = tuple(Point(DUE + n * DAY, DUE + (n - 1) * DAY, "manual", 1.0) for n in (0, 1, 3, 4))
    first, second, third, _ = plot(replace(history(None), points=points)).marks
    assert third.x - second.x == pytest.approx(2 * (second.x - first.x), abs=0.2)
    assert [words for _, words, _ in time_axis(DUE, DUE + 4 * DAY)] == ["05 Jul", "07 Jul", "09 Jul"]
    assert [words for _, words, _ in time_axis(DUE, DUE + timedelta(hours=2))] == ["02:00", "03:00", "04:00"]
    assert [words for _, words, _ in time_axis(DUE, DUE)] == ["05 Jul 02:00"]


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (1.0, "in 1 day"),
        (-1.0, "1 day ago"),
        (-1234.0, "1,234 days ago"),
        (14.26, "in 14.3 days"),
        (0.5, "in 0.5 days"),
        (0.01, "now"),
        (0.0, "now"),
    ],
)
def test_days_are_said_as_people_say_them(day: float, words: str) -> None:
    """One day, thousands, tenths, now."""
    assert said(day) == words


def test_a_table_of_its_data_stands_behind_each_plot() -> None:
    """Each window with its value and level, also one without a sample or not opened; a forecast and a baseline too."""
    judged = BANDS["rises"][0]
    whole = history(judged, 0.1, 0.2, None, 3.0)
    hole = replace(whole, points=(whole.points[0], *whole.points[2:]))
    assert [tuple(row) for row in plot(hole).data] == [
        ("2026-07-02 02:00 UTC", "0.1 %", Level.OK, "calendar"),
        ("2026-07-03 02:00 UTC", "no window", None, ""),
        ("2026-07-04 02:00 UTC", "not collected", Level.UNKNOWN, "calendar"),
        ("2026-07-05 02:00 UTC", "3 %", Level.CRITICAL, "calendar"),
    ]
    grows = {"history": [[-30, 2.0**30], [0, 2.0**31]], "bytes_per_day": [1.0, 3.6e7, 5e7], "limit_bytes": None}
    usual = {"history": [[-2.0, 210.0], [0.0, 230.0]], "unit": "ms", "in_force": 220.0, "in_force_end": 300.0}
    found = (
        finding("ok", "capacity:forecast", metadata=grows),
        finding("ok", "baseline:trust-scorer", subject="trust-scorer", metadata=usual),
    )
    seen = Page(to_html(report(step(*found), history=(whole,))))
    assert [attrs.get("class") for tag, attrs in seen.tags if tag == "details"].count("data") == 3
    for row in ("2026-07-05 02:00 UTC 3 % critical", "30 days ago 1.0 GB", "2 days ago 210 ms", "now 230 ms"):
        assert row in seen.text


# Statements -------------------------------------------------------------------------------------------------------

NAMES = (
    "plain",
    'MiXed "quoted" name; DROP TABLE x; --',
    "dir\u202ename",
    "two\nlines\\and  spaces ",
    "⟨U+202E⟩",
    "e\u0301 and é",
    "🗑️\u200b\u3164",
    "o'neil",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_statement_is_copied_and_run_as_it_is_shown(browser: Browser, empty_database: str, name: str) -> None:  # noqa: F811
    """One click takes the whole of it; PostgreSQL does it to the very object, and nothing hides in it."""
    quoted = '"' + name.replace('"', '""') + '"'
    with psycopg.connect(empty_database, autocommit=True) as session:
        session.execute(f"CREATE TABLE public.{quoted} (a int)".encode())
    vacuum = f'VACUUM (ANALYZE, TRUNCATE false)\n  "public".{quoted}'
    one = weekly(weekly_step("plan"), gate=gate(plan(action(1, name, statement=vacuum))))
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.set_content(to_html(one))
    page.locator("code.statement").first.click()
    copied = page.evaluate("getSelection().toString()")
    context.close()
    assert not set(copied) & set("\u202e\u200b\u3164\u0301⟨")
    with psycopg.connect(empty_database, autocommit=True) as session:
        session.execute(copied.encode())
        session.execute(copied.replace("VACUUM (ANALYZE, TRUNCATE false)", "DROP TABLE").encode())
        assert session.execute(
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        ).fetchone() == (0,)


@pytest.mark.parametrize(
    "literal",
    ["E'a\u202eb'", "E'a\\\u202eb\\\\\\'c'", "e'\U000e0041'", "LIKE'a\u202e\\\\'", "LIKE'it''s\u200b'", "IN('\u200b')"],
)
def test_a_text_that_hides_something_says_the_same_to_the_server(empty_database: str, literal: str) -> None:
    """One with backslashes, one right behind a word: PostgreSQL answers as it did, and nothing hides."""
    query = f"SELECT 'a\u202e\\' {literal}" if literal[0] in "LI" else f"SELECT {literal}"
    shown = runnable(query)
    assert not set(shown) & set("\u202e\u200b\U000e0041")
    with psycopg.connect(empty_database) as session:
        assert session.execute(shown.encode()).fetchall() == session.execute(query.encode()).fetchall()


def test_only_a_name_that_hides_something_is_written_otherwise() -> None:
    """Layout, texts and names that read as they are stay; what is no SQL is only made visible."""
    plain = "CREATE INDEX i ON public.\"t\"\n  USING btree (a, lower(b))  WHERE c = E'x\\'\"y' AND d = ', '"
    assert runnable(plain) == f"{plain};"
    assert runnable('DROP INDEX "a\u202eb"') == 'DROP INDEX U&"a\\202Eb";'
    assert runnable("SELECT 'a\u202eb'") == "SELECT U&'a\\202Eb';"
    assert runnable("response_time: ok [0,\u202e160)") == "response_time: ok [0,⟨U+202E⟩160)"
