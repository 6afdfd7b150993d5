"""The frame of the pages: templates, headers, and the few files that a browser loads beside them.

Whatever a template prints is escaped and made visible: nothing that a log table, a run's id or a person's reason holds
can be markup. The pages run one script of ours, none from a page's text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from upkeep.core.text import anchor
from upkeep.core.units import amount, count, span, utc, visible
from upkeep.report.page import TEMPLATES as REPORT_TEMPLATES

_HERE = Path(__file__).parent
#: What the pages load: name → where it lies.
FILES = {
    "report.css": REPORT_TEMPLATES / "report.css",
    "upkeep.css": _HERE / "static" / "upkeep.css",
    "upkeep.js": _HERE / "static" / "upkeep.js",
}
CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
#: What stands in a small square, so that colour is not all that tells.
SIGNS = {
    "ok": "✓",
    "advisory": "i",
    "warning": "!",
    "critical": "✕",
    "unknown": "?",
    "missed": "M",
    "waived": "W",
    "frozen": "F",
    "open": "…",
}
#: A browser keeps a file for a year: its address changes with it.
KEPT = "public, max-age=31536000, immutable"


@cache
def content(name: str) -> bytes:
    """A file that the pages load. Raises KeyError for a name that is none."""
    return FILES[name].read_bytes()


def _asset(name: str) -> str:
    return f"static/{name}?v={hashlib.sha256(content(name)).hexdigest()[:12]}"


def _shown(value: Any) -> Any:
    """What is hidden in a text is spelled out, whichever variable it stands in."""
    return visible(str(value)) if isinstance(value, str) and not isinstance(value, Markup) else value


@lru_cache(maxsize=5_000)
def report_href(dag_id: str, run_id: str, key: str = "") -> str:
    """Where a run's report is, from any of the pages; with a finding's key, its place there."""
    place = f"#{anchor(key)}" if key else ""
    return f"dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}/report{place}"


def question_href(dag_id: str, run_id: str, task_id: str) -> str:
    """Where a task's question is answered, from any of the pages."""
    return "questions/" + "/".join(quote(part, safe="") for part in (dag_id, run_id, task_id))


def airflow_href(*parts: str) -> str:
    """A page of Airflow's own, from any of the pages."""
    return "../" + "/".join(quote(part, safe="") for part in parts)


def _time(moment: datetime) -> Markup:
    """A moment in UTC; the script puts the viewer's local time beside it."""
    moment = moment.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(f"{moment:%Y-%m-%dT%H:%M:%SZ}", utc(moment))


def _ago(length: timedelta) -> str:
    return "just now" if length < timedelta(minutes=2) else f"{span(length)} ago"


@cache
def templates() -> Environment:
    """The templates, strict: a name that is missing is an error and no empty space."""
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters |= {"utc": _time, "span": span, "ago": _ago, "count": count, "amount": amount}
    environment.globals |= {
        "report_href": report_href,
        "airflow_href": airflow_href,
        "asset": _asset,
        "signs": SIGNS,
    }
    return environment


def shown(template: str, values: Mapping[str, Any], status: int = 200) -> HTMLResponse:
    """A page, under the headers of the pages."""
    html = templates().get_template(template).render(values)
    # Without a referrer a browser says "null" where a form says where it comes from, and the form is refused.
    headers = {"Content-Security-Policy": CSP, "Upkeep-Page": "yes", "Referrer-Policy": "same-origin"}
    return HTMLResponse(html, status, headers=headers)
