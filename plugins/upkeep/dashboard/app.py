"""The report pages: what the ledger holds, for those who may read the DAG's runs.

Airflow mounts a plugin's app without any authentication, so every route asks for it itself. A report holds
text from log tables; besides being escaped it is served under a CSP that allows no script, no form and no request.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Awaitable, Callable
from functools import cache
from http import HTTPStatus
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from jinja2 import Environment
from markupsafe import Markup
from starlette.exceptions import HTTPException

from upkeep.core.units import visible
from upkeep.dashboard.alerts import alert_routes
from upkeep.dashboard.frame import PAGES
from upkeep.dashboard.leaving import leaving_routes, led_out
from upkeep.dashboard.metrics import Token, metrics_routes, no_token
from upkeep.dashboard.page import shown
from upkeep.dashboard.pages import Around, file_routes, page_routes
from upkeep.dashboard.questions import Instance
from upkeep.dashboard.reading import LedgerAway, LedgerSessions
from upkeep.report.page import TEMPLATES
from upkeep.settings.load import Settings, settings
from upkeep.wires import database

#: Who may read a report: those who may read the runs of its DAG. One object, so that tests can override it.
may_read_runs = requires_access_dag("GET", DagAccessEntity.RUN)

#: No script, no form. A page keeps the site's origin: its links, clicked in Airflow's frame, must send the login.
_CSP = "sandbox allow-same-origin; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
HEADERS = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
#: On a run's report: how many deleted runs had its id before.
EARLIER = "Upkeep-Earlier-Runs"
LISTED = 200  # reports on the list; the statement fetches one more

_templates = Environment(autoescape=True)
_templates.filters["visible"] = lambda value: visible(str(value))
_FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title|visible }}</title><style>{{ css|safe }}</style></head><body>
"""
_MESSAGE = _templates.from_string(
    _FRAME + "<header><h1>{{ title|visible }}</h1><p>{{ message|visible }}</p></header></body></html>"
)
_ALERTS = _templates.from_string(_FRAME + (Path(__file__).parent / "alerts.html").read_text(encoding="utf-8"))
_LIST = _templates.from_string(_FRAME + (Path(__file__).parent / "reports.html").read_text(encoding="utf-8"))


_ASKED = Markup("""<p class="more">What people were shown before they answered is in
<a href="interim">the interim report</a>.</p>""")
_ANEW = Markup("""<p class="more">People have been asked anew since: what they were shown is in
<a href="interim">the interim report</a>.</p>""")
_OF_EARLIER = Markup("""<p class="more">The run that has this id now has no report yet. This is the report of an earlier
run, which was deleted.</p>""")
_EARLIER = _templates.from_string(
    """<p class="more">{{ runs }} earlier run{{ "s" if runs > 1 }} had this id and {{ "were" if runs > 1 else "was" }}
deleted; this is the report of the newest. Those of the earlier runs are in the list of the DAG's reports.</p>"""
)


def create_app(
    connect: database.Connect,
    connection_id: str = "upkeep_ledger_dashboard",
    token: Token = no_token,
    around: Around | None = None,
    config: Settings | None = None,
    keep: int = 0,
) -> FastAPI:
    """The app over a way to connect to the ledger; ``connection_id`` is the Airflow Connection that it names.

    ``token`` is what whoever reads the metrics must show, ``around`` what the pages ask beside the ledger, ``keep`` how
    many connections are kept between pages: they end with the process, or by ``app.state.ledger.close()``.
    """
    config = config or settings()
    app = FastAPI(title="Upkeep", docs_url=None, redoc_url=None, openapi_url=None)
    ledger = app.state.ledger = LedgerSessions(connect, connection_id, keep)
    around = around or Around()
    app.include_router(_report_routes(_Reports(ledger, around.instance), config))
    app.include_router(leaving_routes(may_read_runs, config))
    app.include_router(metrics_routes(ledger.rows, token, config))
    app.include_router(alert_routes(ledger.rows, _ALERTS, _css))
    app.include_router(page_routes(ledger, config, around))
    app.include_router(file_routes())
    app.middleware("http")(_guard)
    app.add_exception_handler(LedgerAway, _ledger_away(connection_id))
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)
    return app


class _Reports:
    """Reports of the ledger, of one DAG at a time."""

    def __init__(self, ledger: LedgerSessions, instance: Instance) -> None:
        self.rows, self.instance = ledger.rows, instance

    def of_run(self, dag_id: str, run_id: str, statement: str = "ledger/report_of_run") -> database.Row:
        """The latest report of a run. Raises HTTPException 404 when there is none."""
        for row in self.rows(statement, dag_id=dag_id, run_id=run_id, instance=self.instance(dag_id, run_id)):
            return row
        if "interim" in statement:
            raise HTTPException(404, f"Run {run_id} of {dag_id} has no interim report: nobody was asked.")
        raise HTTPException(
            404, f"Run {run_id} of {dag_id} has no report yet. It is written when people are asked, or its steps end."
        )

    def by_id(self, dag_id: str, report_id: str) -> database.Row:
        """A report under its own DAG. Raises HTTPException 404 when there is none."""
        if re.fullmatch(r"[0-9]{1,18}", report_id):
            for row in self.rows("ledger/report_by_id", dag_id=dag_id, report_id=int(report_id)):
                return row
        raise HTTPException(404, f"{dag_id} has no report {report_id}.")


def _report_routes(reader: _Reports, config: Settings) -> APIRouter:
    router = APIRouter(prefix="/dags/{dag_id}", dependencies=[Depends(may_read_runs)])
    in_run, in_dag = "../" * 4, "../" * 3

    @router.get("/runs/{run_id}/report.json")
    def report_of_run_json(dag_id: str, run_id: str) -> Response:
        row = reader.of_run(dag_id, run_id)  # the body stays as its digest has it, so the header says it
        return Response(row["body"], media_type="application/json", headers={EARLIER: str(row["earlier_runs"])})

    @router.get("/runs/{run_id}/report")
    def report_of_run(dag_id: str, run_id: str) -> Response:
        row = reader.of_run(dag_id, run_id)
        headers = {EARLIER: str(row["earlier_runs"])}
        before = [_EARLIER.render(runs=row["earlier_runs"])] if row["earlier_runs"] else []
        if row["of_earlier"]:
            before = [_OF_EARLIER]
        asked = [_ANEW if row["asked_anew"] else _ASKED] if row["asked"] else []
        return HTMLResponse(_with(led_out(row["html"], in_run, config), *before, *asked), headers=headers)

    @router.get("/runs/{run_id}/interim")
    def interim_of_run(dag_id: str, run_id: str) -> Response:
        html = reader.of_run(dag_id, run_id, "ledger/interim_of_run")["html"]
        return HTMLResponse(led_out(html, in_run, config))

    @router.get("/reports")
    def reports_of_dag(dag_id: str) -> Response:
        rows = reader.rows("ledger/reports_of_dag", dag_id=dag_id)
        listed, more = rows[:LISTED], len(rows) > LISTED
        page = _LIST.render(
            title=f"Reports of {dag_id}", windows=_windows(listed), count=len(listed), more=more, css=_css()
        )
        return HTMLResponse(page)

    @router.get("/reports/{report_id}.json")
    def report_by_id_json(dag_id: str, report_id: str) -> Response:
        return Response(reader.by_id(dag_id, report_id)["body"], media_type="application/json")

    @router.get("/reports/{report_id}")
    def report_by_id(dag_id: str, report_id: str) -> Response:
        return HTMLResponse(led_out(reader.by_id(dag_id, report_id)["html"], in_dag, config))

    return router


def _windows(rows: list[database.Row]) -> list[tuple[bool, list[list[database.Row]]]]:
    """Rows of one window together, newest version first, and superseded windows that follow each other together."""
    windows = [list(versions) for _, versions in groupby(rows, key=lambda row: row["window_id"])]
    return [(key, list(group)) for key, group in groupby(windows, key=lambda rows: bool(rows[0]["superseded"]))]


def _with(html: str, *notes: str) -> str:
    """The page, saying first that runs with its id were deleted before, or that people were asked upon another."""
    if not notes:
        return html
    start, body, rest = html.partition("<body>")
    return f"{start}{body}{''.join(notes)}{rest}" if body else f"{''.join(notes)}{html}"


async def _guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers.update({**HEADERS, **response.headers})
    if response.status_code == HTTPStatus.OK:
        _settle()
    return response


@cache
def _settle() -> None:
    """Once a process, after its first answer: what it is made of by then is not searched for garbage again.

    An api-server has some 350,000 objects. To go through all took 0.2 s, in which nobody was answered, every 150 pages.
    """
    gc.collect()
    gc.freeze()


def _path(request: Request) -> str:
    """Where in this app a request goes, wherever the app is mounted."""
    return request.url.path.removeprefix(request.scope.get("root_path", ""))


def _message(request: Request, status: int, message: str, headers: Any = None) -> Response:
    path = _path(request)
    if path.endswith(".json"):
        return JSONResponse({"error": message}, status, headers)
    if path.endswith("/metrics"):
        return PlainTextResponse(f"{message}\n", status, headers)
    title = {404: "Not found", 503: "The ledger cannot be reached"}.get(status, HTTPStatus(status).phrase)
    if path.startswith("/dags/"):
        return HTMLResponse(_MESSAGE.render(title=title, message=message, css=_css()), status, headers)
    up = "../" * max(path.count("/") - 1, 0)
    page = shown("message.html", {"title": title, "message": message, "again": status == 503, "up": up}, status)
    page.headers.update(headers or {})
    return page


def _css() -> str:
    return (TEMPLATES / "report.css").read_text(encoding="utf-8")


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # what it is registered for; narrows the type
    message = str(error.detail)
    if error.status_code == 401:
        if _is_page(request):
            here = quote(request.scope.get("raw_path", b"").decode("ascii", "replace") or request.url.path, safe="")
            up = "../" * _path(request).count("/")
            return RedirectResponse(f"{up}api/v2/auth/login?next={here}", 303)
        # A sandboxed page is a foreign site to the browser: inside Airflow's frame its links come without the cookie.
        message = f"{message}. Sign in to Airflow, then open {request.url.path} in a tab of its own, outside any frame."
    return _message(request, error.status_code, message, error.headers)


def _is_page(request: Request) -> bool:
    """Whether a browser asks for one of the pages, which is where a login leads back to."""
    asks = request.method == "GET" and "text/html" in request.headers.get("Accept", "")
    place = _path(request).removeprefix("/")
    return asks and (place in PAGES or place.startswith("questions/"))


def _ledger_away(connection_id: str) -> Callable[[Request, Exception], Response]:
    def handler(request: Request, _: Exception) -> Response:
        advice = "Check that the Connection exists, that its database answers and that the ledger is upgraded"
        message = f"The ledger cannot be read through the Airflow Connection {connection_id!r}. {advice}"
        return _message(request, 503, f"{message}; the api-server's log says more. No report is lost.")

    return handler


def _unexpected(request: Request, error: Exception) -> Response:
    # This answer is made outside the middleware, so it carries the headers itself; Starlette logs the error.
    del error
    failed = _message(request, 500, "This page failed; the api-server's log says why.")
    failed.headers.update({**HEADERS, **failed.headers})
    return failed
