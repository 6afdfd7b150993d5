"""The report pages over a real PostgreSQL: who may read, what is answered, and under which headers."""

import asyncio
import shutil
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest
import yaml
from fastapi import FastAPI, HTTPException
from markupsafe import escape
from psycopg.conninfo import make_conninfo

from upkeep.ledger.migrations.upgrade import upgrade
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires import queries

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn, about Starlette's test client for one
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.api_fastapi.core_api.security import get_user

    from upkeep.dashboard import app as dashboard
    from upkeep.dashboard.frame import PAGES
    from upkeep.dashboard.page import CSP
    from upkeep.dashboard.pages import Around

DUE = datetime(2026, 7, 5, 2, tzinfo=UTC)
RUN = "scheduled__2026-07-05T02:00:00+00:00"
#: No Airflow that knows of a run.
ALONE = Around(instance=lambda *_: None)
HOSTILE = "<script>alert(1)</script>\u202e"


class Ledger:
    """A ledger with its tables, to put reports into."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        upgrade(self.connect)

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.dsn)

    def add(self, dag_id: str, run_id: str, number: int = 0, headline: str = "All ok", instance: str = "1") -> int:
        """A report ``<p>number</p>`` of a run, in the window that is due ``number`` days after DUE."""
        values = {
            "dag_id": dag_id,
            "run_id": run_id,
            "due": DUE + timedelta(days=number),
            "headline": headline,
            "html": f"<p>{number}</p>",
            "body": f'{{"n": {number}}}',
            "instance": instance,
        }
        with self.connect() as connection:
            row = connection.execute(
                """
                WITH w AS (
                    INSERT INTO upkeep.windows
                        (target, cadence, due, kind, dag_id, run_id, deadline, period_start, period_end, requested_by)
                    VALUES (%(dag_id)s, 'daily', %(due)s, 'calendar', %(dag_id)s, %(run_id)s,
                        %(due)s + interval '30 min', %(due)s - interval '1 day', %(due)s, '')
                    ON CONFLICT (target, cadence, due, kind, manual_run_id, manual_instance)
                        DO UPDATE SET run_id = excluded.run_id
                    RETURNING id
                )
                INSERT INTO upkeep.reports (window_id, dag_id, run_id, instance, level, headline, html, body, digest)
                SELECT w.id, %(dag_id)s, %(run_id)s, %(instance)s, 'ok', %(headline)s, %(html)s, %(body)s, 'x' FROM w
                RETURNING id
                """,
                values,
            ).fetchone()
        assert row
        return int(row[0])

    def add_interim(self, dag_id: str, run_id: str, html: str, instance: str = "1") -> None:
        """An interim report of a run, in any window."""
        with self.connect() as connection:
            connection.execute(
                """
                INSERT INTO upkeep.interim_reports (window_id, dag_id, run_id, instance, html, body, digest)
                SELECT min(id), %s, %s, %s, %s, '{"interim": ["DBA"]}', 'x' FROM upkeep.windows
                """,
                (dag_id, run_id, instance, html),
            )


@pytest.fixture
def ledger(empty_database: str) -> Ledger:
    return Ledger(empty_database)


class Client:
    """Asks an app in this process; Starlette's own test client wants another HTTP library than Airflow brings."""

    def __init__(self, app: FastAPI) -> None:
        self.transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    def get(self, path: str) -> httpx.Response:
        return asyncio.run(self._get(path))

    async def _get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=self.transport, base_url="http://dashboard") as client:
            return await client.get(path)


def let_in(app: FastAPI) -> Client:
    """A client that may read every DAG's runs."""
    app.dependency_overrides[dashboard.may_read_runs] = lambda: None
    return Client(app)


@pytest.fixture
def client(ledger: Ledger) -> Client:
    return let_in(dashboard.create_app(ledger.connect, around=ALONE))


def assert_headers(response: Any, **others: str) -> None:
    for name, value in {**dashboard.HEADERS, **others}.items():
        assert response.headers[name] == value


@pytest.mark.parametrize("run_id", [RUN, quote(RUN), quote(RUN, safe="")])
def test_the_latest_report_of_a_run(ledger: Ledger, client: Client, run_id: str) -> None:
    """A run cleared and reported twice shows its newest report; + and : in its id come through, quoted or not."""
    ledger.add("maintenance_daily", RUN, 1)
    ledger.add("maintenance_daily", RUN, 2)
    ledger.add("maintenance_daily", "other", 3)
    ledger.add("maintenance_weekly", RUN, 4)
    page = client.get(f"/dags/maintenance_daily/runs/{run_id}/report")
    body = client.get(f"/dags/maintenance_daily/runs/{run_id}/report.json")
    assert (page.status_code, page.text, page.headers["content-type"]) == (200, "<p>2</p>", "text/html; charset=utf-8")
    assert (body.status_code, body.json(), body.headers["content-type"]) == (200, {"n": 2}, "application/json")
    assert_headers(page)
    assert_headers(body)


def test_a_deleted_runs_report_is_not_shown_for_the_run_that_has_its_id_now(ledger: Ledger, client: Client) -> None:
    """The newest run's report is shown, page and header say that there was another, and the list says which."""
    address, lists = "/dags/maintenance_weekly/runs/mine/report", "/dags/maintenance_weekly/reports"
    ledger.add("maintenance_weekly", "mine", 1)
    assert client.get(address).text == "<p>1</p>"
    assert client.get(address).headers[dashboard.EARLIER] == "0"
    assert "deleted" not in client.get(lists).text
    ledger.add("maintenance_weekly", "mine", 2, instance="2")
    page, body = client.get(address), client.get(f"{address}.json")
    assert page.text.endswith("<p>2</p>") and "1 earlier run had this id and was\ndeleted" in page.text
    assert (body.json(), body.headers[dashboard.EARLIER], page.headers[dashboard.EARLIER]) == ({"n": 2}, "1", "1")
    assert client.get(lists).text.count("a deleted run; another one has its id now") == 1


def test_of_two_runs_with_one_id_the_one_that_is_there_comes_first(ledger: Ledger) -> None:
    """Before it has a report the page says whose it shows; then its own is shown, whichever was written last."""
    there = Around(instance=lambda *_: "2")
    client = let_in(dashboard.create_app(ledger.connect, around=there))
    address = "/dags/maintenance_weekly/runs/mine/report"
    ledger.add("maintenance_weekly", "mine", 1)
    said = client.get(address).text
    assert said.endswith("<p>1</p>") and "has no report yet. This is the report of an earlier" in said
    ledger.add("maintenance_weekly", "mine", 2, instance="2")
    ledger.add_interim("maintenance_weekly", "mine", "<p>so far</p>", instance="2")
    ledger.add_interim("maintenance_weekly", "mine", "<p>before</p>", instance="1")
    said = client.get(address).text
    assert said.endswith("<p>2</p>") and "has no report yet" not in said
    assert client.get("/dags/maintenance_weekly/runs/mine/interim").text == "<p>so far</p>"


@pytest.mark.guide("G11", "holds")
def test_an_older_report_keeps_its_address(ledger: Ledger, client: Client) -> None:
    """Each report is addressable by its id as a page and as JSON."""
    older = ledger.add("maintenance_daily", RUN, 1)
    ledger.add("maintenance_daily", RUN, 2)
    page = client.get(f"/dags/maintenance_daily/reports/{older}")
    assert (page.status_code, page.text) == (200, "<p>1</p>")
    assert_headers(page)
    assert client.get(f"/dags/maintenance_daily/reports/{older}.json").json() == {"n": 1}


@pytest.mark.parametrize("suffix", ["", ".json"])
def test_a_report_is_not_found_under_another_dag(ledger: Ledger, client: Client, suffix: str) -> None:
    """The permission was checked for the DAG in the path, so a report of another one is a 404 there."""
    secret = ledger.add("maintenance_weekly", RUN, 1)
    found = client.get(f"/dags/maintenance_daily/reports/{secret}{suffix}")
    assert found.status_code == 404
    assert "<p>1</p>" not in found.text
    assert client.get(f"/dags/maintenance_weekly/reports/{secret}{suffix}").status_code == 200


def test_an_interim_report_stands_at_the_runs_address_until_the_final_one(ledger: Ledger, client: Client) -> None:
    """The final one takes its place and leads to it, also where people are asked anew after a clear; that is said."""
    run, other = quote(RUN, safe=""), f"/dags/maintenance_daily/runs/{quote(RUN, safe='')}x/interim"
    page, interim = f"/dags/maintenance_daily/runs/{run}/report", f"/dags/maintenance_daily/runs/{run}/interim"
    ledger.add("maintenance_daily", "another run", 1)
    ledger.add_interim("maintenance_daily", RUN, "<p>so far</p>")
    assert client.get(page).text == "<p>so far</p>"
    assert client.get(f"{page}.json").json() == {"interim": ["DBA"]}
    assert RUN not in client.get("/dags/maintenance_daily/reports").text
    ledger.add("maintenance_daily", RUN, 2)
    final = client.get(page).text
    assert final.endswith("<p>2</p>") and '<a href="interim">' in final and "asked anew" not in final
    assert client.get(interim).text == "<p>so far</p>"
    assert_headers(client.get(interim))
    ledger.add_interim("maintenance_daily", RUN, "<p>anew</p>")
    assert client.get(interim).text == "<p>anew</p>"
    said = client.get(page).text
    assert said.endswith("<p>2</p>") and "People have been asked anew since" in said
    assert client.get(other).status_code == 404 and "nobody was asked" in client.get(other).text


def test_a_run_without_a_report_gets_a_friendly_page(client: Client) -> None:
    """404 that says in words that there is no report yet, escaped, and as JSON where JSON was asked for."""
    page = client.get(f"/dags/{quote(HOSTILE, safe='')}/runs/{quote(RUN)}/report".replace("%2F", "-"))
    body = client.get(f"/dags/maintenance_daily/runs/{quote(RUN)}/report.json")
    assert (page.status_code, body.status_code) == (404, 404)
    assert "has no report yet" in page.text
    assert "<script>" not in page.text
    assert "⟨U+202E⟩" in page.text
    assert "has no report yet" in body.json()["error"]
    assert_headers(page)
    assert_headers(body)


@pytest.mark.parametrize(
    "path",
    [
        "/dags/d/reports/abc",
        "/dags/d/reports/-1",
        "/dags/d/reports/" + "9" * 30,
        "/dags/d/reports/1%00",
        "/docs",
        "/nothing",
    ],
)
def test_what_does_not_exist_is_404(client: Client, path: str) -> None:
    """Ids that are no ids, and routes that are none, are a 404 with the headers and never a 500."""
    response = client.get(path)
    assert response.status_code == 404
    page = {} if path.startswith("/dags/") else {"Content-Security-Policy": CSP, "Referrer-Policy": "same-origin"}
    assert_headers(response, **page)


def test_the_list_is_newest_first_and_capped(ledger: Ledger, client: Client) -> None:
    """200 reports of this DAG, linked relative to the page, with what they say; older ones are mentioned."""
    first = ledger.add("maintenance_daily", RUN, 0, "oldest")
    ledger.add("maintenance_weekly", RUN, 1, "of another DAG")
    assert "oldest" in client.get("/dags/maintenance_daily/reports").text
    for number in range(1, 200):
        ledger.add("maintenance_daily", f"run_{number}", number)
    last = ledger.add("maintenance_daily", "run_200", 200, HOSTILE)
    page = client.get("/dags/maintenance_daily/reports")
    assert page.status_code == 200
    assert page.text.count("<article") == 200
    assert page.text.index(f'href="reports/{last}"') < page.text.index(f'href="reports/{last - 1}"')
    assert f'href="reports/{first}"' not in page.text
    assert "only the newest 200 are listed" in page.text
    assert "of another DAG" not in page.text
    assert "due\n    2027-01-21 02:00 UTC (calendar)" in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;⟨U+202E⟩" in page.text
    assert_headers(page)
    assert "allow-scripts" not in dashboard.HEADERS["Content-Security-Policy"]


def test_a_window_is_one_row_with_its_earlier_versions_and_superseded_ones_are_folded(
    ledger: Ledger, client: Client
) -> None:
    """Sorted by due time, whatever was written when; the superseded in between are one line that opens."""
    late = ledger.add("maintenance_weekly", "scheduled", 28, "the newest window")
    first = ledger.add("maintenance_weekly", "again", 21, "as it was first")
    for number in (0, 7, 14):
        ledger.add(
            "maintenance_weekly",
            f"backfill_{number}",
            number,
            "Superseded by the window of x: nothing had to be changed; 8 unknown",
        )
    second = ledger.add("maintenance_weekly", "again", 21, "as it is now")
    page = client.get("/dags/maintenance_weekly/reports").text
    assert page.count("<article") == 5
    places = [
        page.index(text) for text in ("the newest window", "as it is now", "as it was first", "3 superseded windows")
    ]
    assert places == sorted(places)
    assert "1 earlier version<" in page
    assert all(f'href="reports/{number}"' in page for number in (late, first, second))
    folded = page[page.index('<details class="superseded">') :]
    assert folded.count("<article") == 3
    assert "due 2026-07-05\nto 2026-07-19" in folded


def test_a_window_whose_changes_another_makes_is_not_folded(ledger: Ledger, client: Client) -> None:
    """A weekly window on a first Sunday plans nothing, and has findings that people must see."""
    said = (
        "Superseded by the monthly window of 2026-11-01 02:00 UTC: nothing had to be changed; 1 critical of 9 findings"
    )
    ledger.add("maintenance_weekly", "scheduled", 0, said)
    page = client.get("/dags/maintenance_weekly/reports").text
    assert "1 critical of 9 findings" in page
    assert 'class="superseded"' not in page


def test_an_empty_list_says_so(client: Client) -> None:
    """No report yet is a sentence, not an empty page."""
    page = client.get("/dags/maintenance_daily/reports")
    assert page.status_code == 200
    assert "No run of this DAG has written a report yet" in page.text


FORMS = {
    "/windows/waive",
    "/findings/acknowledge",
    "/checklists/acknowledge",
    "/questions/{dag_id}/{run_id}/{task_id}",
}
ROUTES = ["runs/r/report", "runs/r/report.json", "runs/r/interim", "reports", "reports/1", "reports/1.json"]


@pytest.mark.parametrize("route", ROUTES)
def test_the_ledger_away_is_a_503_that_names_the_connection(empty_database: str, route: str) -> None:
    """Unreachable, not configured or not yet upgraded: a sentence with the Connection's name and no inner words."""

    def unreachable() -> psycopg.Connection[Any]:
        return psycopg.connect(make_conninfo(empty_database, port=1, connect_timeout=2))

    def not_configured() -> psycopg.Connection[Any]:
        raise LookupError("The conn_id `my_ledger` isn't defined")

    def without_tables() -> psycopg.Connection[Any]:
        return psycopg.connect(empty_database)

    for connect in (unreachable, not_configured, without_tables):
        client = let_in(dashboard.create_app(connect, "my_ledger", around=ALONE))
        response = client.get(f"/dags/maintenance_daily/{route}")
        assert response.status_code == 503
        assert "my_ledger" in response.text
        for word in ("Traceback", "psycopg", "127.0.0.1", "isn't defined", "does not exist", "upkeep.reports"):
            assert word not in response.text
        assert_headers(response)


def test_a_failing_page_keeps_the_headers(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug of ours is a 500 without traceback under the same headers."""
    monkeypatch.setattr(queries, "load", lambda name: 1 / 0)
    response = let_in(dashboard.create_app(ledger.connect, around=ALONE)).get("/dags/maintenance_daily/reports")
    assert response.status_code == 500
    assert "ZeroDivision" not in response.text
    assert_headers(response)


@pytest.mark.parametrize("route", [*ROUTES, "runs/r/tasks/t"])
def test_every_route_asks_who_may_read_the_dags_runs(ledger: Ledger, route: str) -> None:
    """Nobody is let in without Airflow's permission, before the ledger is asked; anonymous is 401."""

    def refuse() -> None:
        raise HTTPException(403, "Forbidden")

    def never() -> psycopg.Connection[Any]:
        raise AssertionError("the ledger was asked before the permission")

    app = dashboard.create_app(never, around=ALONE)
    anonymous = Client(app).get(f"/dags/maintenance_daily/{route}")
    app.dependency_overrides[dashboard.may_read_runs] = refuse
    refused = Client(app).get(f"/dags/maintenance_daily/{route}")
    assert (anonymous.status_code, refused.status_code) == (401, 403)
    assert_headers(anonymous)
    assert_headers(refused)


def test_a_reports_links_lead_out_of_the_frame(ledger: Ledger) -> None:
    """To a task by a page of ours whose script follows its link, at each of the report's addresses; to nothing else."""
    link = '<a href="http://airflow.example/dags/maintenance_daily/runs/a%2Bb/tasks/health.x?try_number=2">Log</a>'
    other = '<a href="https://elsewhere.example/tasks/x">x</a><a href="#f-1">y</a>'
    with ledger.connect() as connection:
        number = ledger.add("maintenance_daily", RUN)
        connection.execute("UPDATE upkeep.reports SET html = %s", (link + other,))
    client = let_in(dashboard.create_app(ledger.connect, around=ALONE))
    for address, up in ((f"runs/{quote(RUN)}/report", "../../../../"), (f"reports/{number}", "../../../")):
        said = client.get(f"/dags/maintenance_daily/{address}").text
        assert said == f'<a href="{up}dags/maintenance_daily/runs/a%2Bb/tasks/health.x">Log</a>{other}'
    page = client.get("/dags/maintenance_daily/runs/a%2Bb/tasks/health.x")
    assert (
        'data-top data-leave rel="noreferrer" href="../../../../../../dags/maintenance_daily/runs/a%2Bb/tasks/health.x"'
        in page.text
    )
    assert_headers(page, **{"Content-Security-Policy": CSP, "Referrer-Policy": "same-origin"})


def test_the_procedures_are_reached_where_they_have_an_address(ledger: Ledger, tmp_path: Path) -> None:
    """From a report, out of the frame; by whoever is logged in; a file's name leads nowhere and says so."""
    place = "https://wiki.example/on-call's?a=1&b=2"
    for procedures, status, words in (
        ("incident-response-procedures.md", 404, "have no address: they are"),
        (place, 200, 'data-leave rel="noreferrer" href="https://wiki.example/on-call&#39;s?a=1&amp;b=2"'),
    ):
        folder = Path(shutil.copytree(ROOT / "config", tmp_path / str(status)))  # settings are read once for a folder
        file = folder / "maintenance.yaml"
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        content["documents"]["incident_response"] = procedures
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        around = Around(instance=lambda *_: None, allowed=lambda *_: frozenset())
        app = dashboard.create_app(ledger.connect, around=around, config=settings(folder))
        assert Client(app).get("/procedures").status_code == 401
        app.dependency_overrides[get_user] = lambda: SimpleAuthManagerUser(username="vera", role="viewer")
        page = let_in(app).get("/procedures")
        assert (page.status_code, words in page.text) == (status, True), page.text
    number = ledger.add("maintenance_daily", RUN)
    with ledger.connect() as connection:
        connection.execute("UPDATE upkeep.reports SET html = %s", (f'<a href="{escape(place)}">p</a>',))
    said = let_in(app).get(f"/dags/maintenance_daily/reports/{number}").text
    assert said == '<a href="../../../procedures">p</a>'


def test_the_app_has_no_other_routes() -> None:
    """Every route is one of the six above, has a token of its own, is a file without anything of the ledger's, or one
    of the pages that other tests ask for: docs and schema would be open to anybody.
    """
    paths = {getattr(route, "path", "") for route in dashboard.create_app(psycopg.connect).routes}
    others = {"/metrics", "/static/{name}", "/alerts", "/alerts/{alert_id}"} | {f"/{page}" for page in PAGES} | FORMS
    others |= {"/procedures", "/dags/{dag_id}/runs/{run_id}/tasks/{task_id}"}  # they lead out of the frame
    assert len(paths - others) == len(ROUTES)


def test_the_session_cannot_write(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's session is read-only even when the Connection's role could write."""
    monkeypatch.setattr(queries, "load", lambda name: "DELETE FROM upkeep.reports")
    number = ledger.add("maintenance_daily", RUN)
    client = let_in(dashboard.create_app(ledger.connect, around=ALONE))
    assert client.get("/dags/maintenance_daily/reports").status_code == 503
    with ledger.connect() as connection:
        assert connection.execute("SELECT id FROM upkeep.reports").fetchall() == [(number,)]
