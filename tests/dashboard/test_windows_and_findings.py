"""The calendar's page and the findings' page over real HTTP: what they show, who may change what, and attacks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from sandbox.postgres import Cluster
from tests.stages.ledger import Ledger, finding, record, upgraded, write
from tests.stages.pages import (
    HOSTILE,
    Site,
    as_dashboard,
    became,
    config_with,
    judged,
    lively,
    reported,
    served,
    window_of,
)
from tests.stages.reports import Page
from upkeep.core.findings import Level
from upkeep.core.windows import Window

CONNECTIONS = "metric:database_connections"


@pytest.fixture
def lived(book: Ledger, site: Site, today: datetime) -> Site:
    """The pages of a target with a month behind it, as maintenance_alerts has judged it."""
    lively(book, site.config.targets[0], today)
    judged(book, site.config, today)
    return site


@pytest.fixture(scope="module")
def untouched(cluster: Cluster) -> Iterator[Ledger]:
    """A ledger in which nothing is judged for other targets: that would end the alerts of ours."""
    with upgraded(cluster) as found:
        yield found


@pytest.fixture(scope="module")
def refusing(untouched: Ledger, today: datetime, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The same once for all tests in which nothing is changed: each sees that."""
    config = config_with(tmp_path_factory.mktemp("refusing"), "primary")
    with served(config, as_dashboard(untouched), today) as found:
        lively(untouched, "primary", today)
        judged(untouched, config, today)
        yield found


def article(html: str, cause: str) -> str:
    """One story of the findings' page."""
    found = [one for one in re.findall(r"<article.*?</article>", html, re.DOTALL) if cause in one.partition("</h3>")[0]]
    assert len(found) == 1, html
    return str(found[0])


def fields_of(html: str, action: str) -> dict[str, str]:
    """The hidden fields of the first form that goes there, and a reason."""
    form = re.search(rf'<form method="post" action="{action}">(.*?)</form>', html, re.DOTALL)
    assert form, html
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form[1])
    return {name: value.replace("&#43;", "+") for name, value in hidden} | {"why": "known since Monday"}


def post(site: Site, path: str, user: str | None, fields: Any, **headers: str) -> requests.Response:
    """The form as a browser sends it from a page of ours, unless the headers say otherwise."""
    said = {"Sec-Fetch-Site": "same-origin", "Origin": site.url, **headers}
    return site.send("POST", path, user, {name: value for name, value in said.items() if value}, fields)


# Windows -------------------------------------------------------------------------------------------------------------


def test_a_month_shows_what_became_of_each_window_and_what_comes(lived: Site, today: datetime) -> None:
    """Each day has its windows; the months around it are a click away, and one without any is empty."""
    html = lived.ask("/windows").text
    days = re.findall(r'<li class="day([^"]*)">(.*?)</li>', html, re.DOTALL)
    assert len(days) == (today.replace(day=28) + timedelta(days=4)).replace(day=1).__sub__(timedelta(days=1)).day
    (now,) = [Page(inside).text for classes, inside in days if "today" in classes]
    assert "daily" in now and "done, critical" in now
    (address,) = {one for one in Page(html).links if re.fullmatch(r"windows\?month=\d{4}-\d\d", one) and one > "w"} - {
        f"windows?month={(today.replace(day=1) - timedelta(days=1)):%Y-%m}"
    }
    coming = lived.ask(f"/{address}").text
    assert "weekly" in coming and "02:00 UTC" in coming and 'class="chip done' not in coming
    assert "No window is missed" not in html


@pytest.mark.parametrize(
    "month", ["1926-01", "2126-01", "2026-13", "", "2026-11-29", "9" * 40, "2026-11' OR 1=1", "%00", HOSTILE]
)
def test_a_month_that_is_none_or_a_century_away_is_refused(blank: Site, month: str) -> None:
    """400 that says what was expected, escaped, and nothing is asked of the ledger for it."""
    answer = requests.Request("GET", blank.url + "/windows", params={"month": month}).prepare().path_url
    refused = blank.ask(answer)
    assert refused.status_code == 400 and "expected one from 2020-01 to 2099-12" in refused.text
    assert "<script>alert" not in refused.text


def test_a_missed_window_shows_how_to_make_up_for_it_and_is_waived_by_who_holds_a_role(
    book: Ledger, lived: Site, today: datetime
) -> None:
    """The command, Airflow's backfills, a form; afterwards it is waived, by whom and why, and stays so when judged."""
    html = lived.ask("/windows", "dora").text
    assert f"python -m upkeep backfill daily --target {lived.config.targets[0]}" in html
    assert "../dags/maintenance_daily/backfills" in Page(html).links
    assert "<form" not in lived.ask("/windows", "vera").text
    fields = fields_of(html, "windows/waive")
    answer = post(lived, "/windows/waive", "dora", fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, "../windows#missed")
    state = "SELECT state, reason FROM upkeep.due_windows WHERE target = %s AND due = %s"
    waived = [("waived", "dora: known since Monday")]
    assert book.ask(state, fields["target"], fields["due"]) == waived
    judged(book, lived.config, today)
    assert book.ask(state, fields["target"], fields["due"]) == waived
    assert post(lived, "/windows/waive", "dora", fields).status_code == 409


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"target": "another"}, 404),
        ({"due": "yesterday"}, 400),
        ({"due": "0001-01-01T00:00:00+23:00"}, 400),
        ({"due": "2026-01-01T00:00:00+00:00"}, 409),
        ({"cadence": HOSTILE}, 409),
        ({"why": " "}, 400),
    ],
)
def test_what_is_no_missed_window_is_not_waived(
    untouched: Ledger, refusing: Site, change: dict[str, str], status: int
) -> None:
    """Another target's, one that was never due, or without a reason: refused in words, and nothing is changed."""
    fields = fields_of(refusing.ask("/windows", "dora").text, "windows/waive") | change
    answer = post(refusing, "/windows/waive", "dora", fields)
    assert answer.status_code == status and "Nothing was changed" in answer.text
    missed = "SELECT count(*) FROM upkeep.due_windows WHERE target = %s AND state = 'missed'"
    assert untouched.ask(missed, refusing.config.targets[0]) == [(2,)]


# Findings ------------------------------------------------------------------------------------------------------------


def test_each_story_has_its_history_its_owner_and_its_place_in_the_report(lived: Site) -> None:
    """Those among which the worst is first; what was ok before it began is in its history."""
    html = lived.ask("/findings").text
    causes = [Page(one).text for one in re.findall(r"<h3.*?</h3>", html, re.DOTALL)]
    assert [cause.split()[0] for cause in causes] == ["critical", "warning", "advisory", "warning"]
    assert "New this week (1)" in html and "Open for longer (3)" in html
    full = article(html, "Database connections")
    looks = re.findall(r'<li class="cell small (\w+)" title=', full)
    assert looks[0] == "ok" and looks[-1] == "critical" and looks.count("critical") == 11
    assert "owner DevOps Engineer" in full and "93 % of 100 are taken" in full
    (place,) = [link for link in Page(full).links if "#f-" in link]
    assert place.startswith("dags/maintenance_daily/runs/scheduled__")
    assert [link for link in Page(full).links if re.fullmatch(r"alerts/\d+", link)]
    assert "alerts" in Page(html).links and "alerts" in Page(lived.ask().text).links


@pytest.fixture
def many(book: Ledger, site: Site, today: datetime) -> Site:
    """Pages of a target with 230 stories: one is critical, the newest; the other warnings were seen last week too."""
    (target,) = site.config.targets
    for days in (8, 0):
        window = window_of(target, "daily", today.replace(hour=2) - timedelta(days=days), days)
        old = [finding(f"old:{number:03}", Level.WARNING, subject=f"Old {number:03}") for number in range(229)]
        new = [finding("new:1", Level.CRITICAL, subject="Newest")] if not days else []
        write(book, window, record(*new, *old, step="group.step", at=window.due))
        reported(book, window, "critical", "a headline")
    return site


def places(html: str) -> list[str]:
    """The place of each story that has only a line."""
    return re.findall(r'<li id="(f-\w+)">', html)


def test_of_many_stories_the_worst_stand_in_full_and_each_other_has_a_line_that_leads_to_it(many: Site) -> None:
    """Twenty in full, whatever section they are in; a line's link shows its story with history; the rest is paged."""
    html = many.ask("/findings").text
    assert "New this week (1)" in html and "Open for longer (229)" in html
    assert html.count("<article") == 20 and "Newest" in article(html, "Newest") and len(places(html)) == 200
    second = many.ask("/findings?page=2").text
    assert second.count("<article") == 10 and not places(second) and "page 1" in second
    assert "10 more" in html and "more</a>" not in second
    seen = Page(html + second).text
    assert all(f"Old {number:03}" in seen for number in range(229))
    line = next(one for one in re.findall(r"<li id=.*?</li>", html) if "Old 100" in one)
    (link,) = Page(line).links
    alone = many.ask(f"/{link}").text
    assert alone.count("<article") == 1 and "warning" in Page(article(alone, "Old 100")).text
    assert article(alone, "Old 100").count('<li class="cell') == 2
    assert "No more are open" in many.ask("/findings?page=3").text


def test_a_link_to_a_story_shows_it_in_full_wherever_it_stands_among_many(
    book: Ledger, many: Site, today: datetime
) -> None:
    """From Home, from its alert, after it was acknowledged: alone, with its history and its form or who knows of it."""
    judged(book, many.config, today)
    (target,) = many.config.targets
    (link,) = {one for one in Page(many.ask("/").text).links if re.search(r"^findings.*f-", one)}
    assert article(many.ask(f"/{link}").text, "Newest").count("<h3") == 1 == many.ask(f"/{link}").text.count("<article")
    listed = book.ask("SELECT key FROM upkeep.alerts WHERE target = %s ORDER BY since, key", target)
    assert len(listed) == 230
    for cause, key in (("Old 100", "old:100"), ("Old 228", "old:228")):
        ((number,),) = book.ask("SELECT id FROM upkeep.alerts WHERE target = %s AND key = %s", target, key)
        (link,) = {one for one in Page(many.ask(f"/alerts/{number}").text).links if re.search(r"findings.*f-", one)}
        html = many.ask(f"/{link.removeprefix('../')}", "omar").text
        assert html.count("<article") == 1 and article(html, cause).count('<li class="cell') == 2
        answer = post(many, "/findings/acknowledge", "omar", fields_of(html, "findings/acknowledge"))
        shown = many.ask(f"/{answer.headers['Location'].removeprefix('../')}").text
        assert shown.count("<article") == 1 and "Acknowledged by omar" in Page(article(shown, cause)).text


def test_homes_link_to_a_story_of_upkeep_itself_shows_it_alone(book: Ledger, many: Site, today: datetime) -> None:
    """As a target's worst does."""
    book.change(
        """INSERT INTO upkeep.outbox (key, channel, target, level, body, made_at, next_attempt, failed_at, error)
           VALUES ('k', %s, '', 'critical', '{}', %s, %s, %s, 'refused')""",
        channel := next(iter(many.config.routing.channels)),
        *[today - timedelta(hours=2)] * 3,
    )
    try:
        (own,) = re.findall(
            r"<article[^>]*>\s*<h3>[^/]*/span> Upkeep itself.*?</article>", many.ask("/").text, re.DOTALL
        )
        (link,) = Page(own).links
        html = many.ask(f"/{link}").text
    finally:
        book.change("DELETE FROM upkeep.outbox")
    assert html.count("<article") == 1 and f"The channel {channel} takes" in article(html, f"The channel {channel}")


def test_a_story_is_shown_alone_whatever_page_is_asked_for(many: Site) -> None:
    """An address that says both is no reason to call it closed."""
    (line, *_) = places(many.ask("/findings").text)
    html = many.ask(f"/findings?of={line}&page=2").text
    assert f'id="{line}"' in html and "not open any more" not in html


@pytest.mark.parametrize("old", [True, False])
def test_the_section_of_the_worst_story_is_first(book: Ledger, site: Site, today: datetime, *, old: bool) -> None:
    """Whether it is new or has been open for longer, it does not stand below what is less bad."""
    (target,) = site.config.targets
    for days in (8, 0):
        window = window_of(target, "daily", today.replace(hour=2) - timedelta(days=days), days)
        first, second = (Level.CRITICAL, Level.WARNING) if old else (Level.WARNING, Level.CRITICAL)
        found = [finding("old:1", first, subject="An old one")]
        found += [finding(f"new:{number}", second, subject=f"New {number}") for number in range(30) if not days]
        write(book, window, record(*found, step="group.step", at=window.due))
        reported(book, window, "critical", "a headline")
    html = site.ask("/findings").text
    titles = re.findall(r"<h2[^>]*>(New this week|Open for longer) ", html)
    assert titles == (["Open for longer", "New this week"] if old else ["New this week", "Open for longer"])


def test_a_mark_of_a_look_shows_in_browsers_that_know_no_other_text_for_it(blank: Site) -> None:
    """They drop a declaration that they cannot read whole: the plain one stands before it."""
    css = blank.ask("/static/upkeep.css").text
    spoken = re.findall(r'content: ("[^"]+") / "";', css)
    assert len(spoken) == 5
    assert all(f'content: {mark}; content: {mark} / "";' in css for mark in spoken)


@pytest.mark.parametrize("page", ["0", "-1", "two", "1e3", "99999", "", HOSTILE])
def test_a_page_that_is_no_number_is_refused(blank: Site, page: str) -> None:
    """400 that says what was expected, escaped."""
    path = requests.Request("GET", blank.url + "/findings", params={"page": page}).prepare().path_url
    refused = blank.ask(path)
    assert refused.status_code == 400 and "expected a number from 1" in refused.text
    assert "<script>alert" not in refused.text


def test_a_story_that_is_not_open_or_not_to_be_seen_is_not_shown_alone(
    book: Ledger, window: Window, tmp_path: Path, today: datetime
) -> None:
    """Its place shows it while its target may be read; it says nothing of another's, nor of one that never was."""
    other = f"{window.target}_b"
    with served(config_with(tmp_path, window.target, other), as_dashboard(book), today) as site:
        lively(book, other, today, 3)
        html = site.ask("/findings").text
        (place,) = re.findall(r'<article [^>]*id="(f-\w+)"', article(html, "Database connections"))
        assert "Database connections" in site.ask(f"/findings?of={place}").text
        assert "not open any more" in site.ask("/findings?of=f-0").text
        site.hidden = frozenset({f"maintenance_daily__{other}"})
        hidden = site.ask(f"/findings?of={place}").text
        assert "not open any more" in hidden and "Database connections" not in hidden


def test_acknowledging_is_done_by_role_is_shown_and_ends_when_it_gets_worse(
    book: Ledger, lived: Site, today: datetime
) -> None:
    """The owner and who is on call may; it moves among the acknowledged with who and why, and comes back when worse."""
    (target,) = lived.config.targets
    assert "<form" not in article(lived.ask("/findings", "dora").text, "Response time")
    assert "acknowledged by a DevOps Engineer" in article(lived.ask("/findings", "vera").text, "Response time")
    fields = fields_of(article(lived.ask("/findings", "omar").text, "Response time"), "findings/acknowledge")
    answer = post(lived, "/findings/acknowledge", "omar", fields | {"until": ""})
    assert answer.status_code == 303 and answer.headers["Location"].startswith("../findings?of=f-")
    html = lived.ask("/findings").text
    assert "Acknowledged (1)" in html
    assert "by omar until it clears: known since Monday" in Page(article(html, "Response time")).text
    assert "2 more open" in Page(lived.ask().text).text
    window = window_of(target, "daily", today.replace(hour=2))
    worse = finding("metric:response_time", Level.CRITICAL, subject="Response time")
    write(book, window, record(worse, step="health.system_status", at=today))
    assert "Acknowledged (1)" not in lived.ask("/findings").text


def test_an_acknowledgement_for_some_days_ends_by_itself(lived: Site, today: datetime) -> None:
    """Until the end of its last day."""
    fields = fields_of(article(lived.ask("/findings", "omar").text, "Response time"), "findings/acknowledge")
    assert post(lived, "/findings/acknowledge", "omar", fields | {"until": f"{today:%Y-%m-%d}"}).status_code == 303
    assert "Acknowledged (1)" in lived.ask("/findings").text
    lived.now = today.replace(hour=0) + timedelta(days=1)
    assert "Acknowledged (1)" not in lived.ask("/findings").text


def unchanged(book: Ledger, site: Site) -> bool:
    """Whether nobody has acknowledged anything."""
    found = "SELECT count(*) FROM upkeep.alerts WHERE target = %s AND acknowledged_by <> ''"
    return book.ask(found, site.config.targets[0]) == [(0,)]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"why": ""}, 400),
        ({"until": "2020-01-01"}, 400),
        ({"until": "9999-12-31"}, 400),
        ({"until": "tomorrow"}, 400),
        ({"level": "advisory"}, 409),  # worse by now than what the form showed
        ({"level": "fine"}, 400),
        ({"alert": "0"}, 404),
        ({"alert": "1 OR 1=1"}, 404),
        ({"token": ""}, 403),
        ({"token": "a.b.c"}, 403),
    ],
)
def test_what_does_not_fit_is_refused_in_words(
    untouched: Ledger, refusing: Site, change: dict[str, str], status: int
) -> None:
    """And nothing is changed."""
    fields = fields_of(article(refusing.ask("/findings", "omar").text, "Response time"), "findings/acknowledge")
    answer = post(refusing, "/findings/acknowledge", "omar", fields | change)
    assert answer.status_code == status, answer.text
    assert unchanged(untouched, refusing)


def test_a_reason_that_shows_nothing_is_spelled_out(book: Ledger, lived: Site) -> None:
    """It is seen to be nothing."""
    fields = fields_of(article(lived.ask("/findings", "omar").text, "Response time"), "findings/acknowledge")
    answer = post(lived, "/findings/acknowledge", "omar", fields | {"why": "\u200b\n"})
    assert answer.status_code == 303, answer.text
    assert not unchanged(book, lived)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "", "Origin": "null"},  # a page in a sandbox without an origin
        {"Sec-Fetch-Site": "", "Origin": ""},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:1"},
    ],
)
def test_a_form_of_another_site_changes_nothing(untouched: Ledger, refusing: Site, headers: dict[str, str]) -> None:
    """Though it has the login and even the token."""
    fields = fields_of(article(refusing.ask("/findings", "omar").text, "Response time"), "findings/acknowledge")
    answer = post(refusing, "/findings/acknowledge", "omar", fields, **headers)
    assert answer.status_code == 403 and "does not come from this site" in answer.text
    assert unchanged(untouched, refusing)


def test_who_may_not_acknowledge_is_refused_whatever_they_send(book: Ledger, lived: Site) -> None:
    """Nobody, a viewer, a user without a role, a role of Airflow's viewers, the wrong role, another's token."""
    fields = fields_of(article(lived.ask("/findings", "omar").text, "Response time"), "findings/acknowledge")
    assert post(lived, "/findings/acknowledge", "dora", fields).status_code == 403  # omar's token
    for user, status in ((None, 401), ("vera", 403), ("uma", 403), ("vito", 403), ("dora", 403)):
        page = lived.ask("/findings", "dora").text if user == "dora" else ""
        own = fields_of(page, "findings/acknowledge")["token"] if page else fields["token"]
        assert post(lived, "/findings/acknowledge", user, fields | {"token": own}).status_code == status
    lived.hidden = frozenset({"maintenance_daily"})
    assert post(lived, "/findings/acknowledge", "omar", fields).status_code == 403
    assert unchanged(book, lived)


def test_a_person_removed_from_the_role_since_the_page_was_shown_may_not(book: Ledger, lived: Site) -> None:
    """Roles are read anew with each request."""
    fields = fields_of(article(lived.ask("/findings", "omar").text, "Response time"), "findings/acknowledge")
    maintenance = lived.config.maintenance
    nobody = {name: role.model_copy(update={"users": ()}) for name, role in maintenance.roles.items()}
    lived.people = maintenance.model_copy(update={"roles": nobody})
    assert post(lived, "/findings/acknowledge", "omar", fields).status_code == 403
    assert unchanged(book, lived)


def test_another_targets_alert_is_not_found(book: Ledger, window: Window, tmp_path: Path, today: datetime) -> None:
    """By number, though the person holds the role: the target is one that they may not read."""
    other = f"{window.target}_b"
    with served(config_with(tmp_path, window.target, other), as_dashboard(book), today) as site:
        for target in (window.target, other):
            lively(book, target, today, 3)
        judged(book, site.config, today)
        fields = fields_of(site.ask("/findings", "omar").text, "findings/acknowledge")
        site.hidden = frozenset({f"maintenance_daily__{other}"})
        number = "SELECT id::text FROM upkeep.alerts WHERE target = %s AND ended_at IS NULL LIMIT 1"
        ((theirs,),) = book.ask(number, other)
        assert post(site, "/findings/acknowledge", "omar", fields | {"alert": theirs}).status_code == 404
        assert other not in site.ask("/findings").text + site.ask("/windows").text
        assert unchanged(book, replace(site, config=site.config))


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"x" * 50_000, "application/x-www-form-urlencoded", 413),
        (b"\xff=\xfe", "application/x-www-form-urlencoded", 400),
        (b"&".join([b"a=1"] * 300), "application/x-www-form-urlencoded", 400),
        (b'{"why": "x"}', "application/json", 400),
        (b"", "text/plain", 400),
    ],
)
def test_what_is_no_form_is_refused(site: Site, body: bytes, kind: str, status: int) -> None:
    """Too long, no text, too many fields, another type: never a 500."""
    headers = {"Sec-Fetch-Site": "same-origin", "Content-Type": kind}
    assert site.send("POST", "/findings/acknowledge", "omar", headers, body).status_code == status


def test_hostile_text_stays_text_here_too(book: Ledger, site: Site, today: datetime) -> None:
    """In a finding, in a reason that somebody gives, in what became of a window."""
    (target,) = site.config.targets
    window = window_of(target, "daily", today.replace(hour=2), run_id=f"manual__{HOSTILE}")
    bad = finding(HOSTILE, Level.CRITICAL, subject=HOSTILE, detail=HOSTILE, remedy=HOSTILE)
    write(book, window, record(bad, bad, step="health.x", at=window.due))
    reported(book, window, "critical", HOSTILE)
    became(book, window_of(target, "daily", today.replace(hour=2) - timedelta(days=1)), "missed", HOSTILE)
    judged(book, site.config, today)
    fields = fields_of(site.ask("/findings", "omar").text, "findings/acknowledge") | {"why": HOSTILE}
    assert post(site, "/findings/acknowledge", "omar", fields).status_code == 303
    for page in ("/findings", "/windows"):
        html = site.ask(page).text
        assert "<script>alert" not in html and "\u202e" not in html and "&lt;script&gt;" in html


@pytest.mark.parametrize("path", ["/windows", "/findings"])
def test_the_ledger_away_is_said_on_each_page(empty_database: str, tmp_path: Path, path: str) -> None:
    """503 that tries again, for whoever may see the page; the others are refused before."""
    with served(config_with(tmp_path, "primary"), lambda: psycopg.connect(f"{empty_database} port=1")) as site:
        assert site.ask(path).status_code == 503 and site.ask(path, None).status_code == 401
        assert site.ask(path, None, Accept="text/html").status_code == 303
