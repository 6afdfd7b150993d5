"""The pages for people who are logged in to Airflow: Home, and what it leads to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends, Response
from starlette.exceptions import HTTPException

from upkeep.dashboard.now import AGES, by_owner, picture, states
from upkeep.dashboard.page import FILES, KEPT, content, shown
from upkeep.dashboard.questions import Waiting, open_questions, waiting_in_airflow
from upkeep.dashboard.reading import LedgerSessions
from upkeep.dashboard.visitors import Allowed, Visitor, allowed_by_airflow, dags_of, visitors
from upkeep.dashboard.windows import STRIP, missed, next_of_each, past, strips
from upkeep.settings.calendar import reread
from upkeep.settings.load import Settings
from upkeep.settings.maintenance import Maintenance

#: The pages, as they are called and where they lie.
PAGES = {"": "Home"}


@dataclass(frozen=True)
class Around:
    """What the pages ask beside the ledger: Airflow's permissions and open questions, who holds a role, the clock."""

    allowed: Allowed = allowed_by_airflow
    waiting: Waiting = waiting_in_airflow
    people: Callable[[], Maintenance] = reread
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


def page_routes(ledger: LedgerSessions, config: Settings, around: Around) -> APIRouter:
    """The routes of the pages. Each asks Airflow who looks at it, before the ledger is asked."""
    router = APIRouter()
    looking = Depends(visitors(config, around.allowed, around.people))

    @router.get("/")
    def home(visitor: Visitor = looking) -> Response:
        now = around.clock()
        waiting = around.waiting([dag for target in visitor.targets for dag in dags_of(config, target).values()])
        with ledger.session() as session:
            seen = picture(session, config, visitor.targets, now)
            windows = past(session, visitor.targets, seen.calendar, now - STRIP, now)
            values = {
                "seen": seen,
                "states": states(session, config, visitor.targets, seen),
                "questions": open_questions(session, config, visitor, waiting, now),
                "missed": missed(config, seen.calendar, visitor.targets),
                "next": next_of_each(config, visitor.targets, now),
                "strips": strips(windows),
                "owners": by_owner(seen.stories),
                "ages": [words for _, words in AGES],
            }
        return shown("home.html", _frame("", visitor, config, now) | values)

    return router


def _frame(place: str, visitor: Visitor, config: Settings, now: datetime) -> dict[str, Any]:
    """What every page's frame shows."""
    return {
        "place": place,
        "pages": PAGES,
        "visitor": visitor,
        "titles": visitor.titles(config.maintenance),
        "several": len(visitor.targets) > 1,
        "now": now,
    }


def file_routes() -> APIRouter:
    """The few files that the pages load; they hold nothing of the ledger's, so nobody is asked for."""
    router = APIRouter()

    @router.get("/static/{name}")
    def file(name: str) -> Response:
        if name not in FILES:
            raise HTTPException(404, f"There is no file {name}.")
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        return Response(content(name), media_type=kind, headers={"Cache-Control": KEPT})

    return router
