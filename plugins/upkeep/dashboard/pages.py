"""The pages for people who are logged in to Airflow: Home, and what it leads to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from airflow.configuration import conf
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from upkeep.dashboard import guide
from upkeep.dashboard.answering import Answer, answer_in_airflow, login_of, require_taken
from upkeep.dashboard.checklists import OLDER, REACH, acknowledge_rows, checklists, waiting
from upkeep.dashboard.databases.view import databases
from upkeep.dashboard.deeds import acknowledge, waive
from upkeep.dashboard.findings import accepted, page_number, page_of
from upkeep.dashboard.forms import FormTokens, Secret, sent, ticked
from upkeep.dashboard.frame import frame
from upkeep.dashboard.now import AGES, OpenStory, by_owner, calendar, picture, states
from upkeep.dashboard.page import FILES, KEPT, content, question_href, shown
from upkeep.dashboard.question import Asked, asked
from upkeep.dashboard.questions import Instance, Task, Waiting, instance_in_airflow, open_questions, waiting_in_airflow
from upkeep.dashboard.reading import LedgerSessions
from upkeep.dashboard.trends.choice import target_of
from upkeep.dashboard.trends.view import trend
from upkeep.dashboard.visitors import Allowed, Visitor, allowed_by_airflow, dags_of, visitors
from upkeep.dashboard.windows import STRIP, ahead, missed, next_of_each, past, strips
from upkeep.dashboard.windows import month as month_of
from upkeep.settings.calendar import reread
from upkeep.settings.load import Settings
from upkeep.settings.maintenance import Maintenance


@dataclass(frozen=True)
class Around:
    """Beside the ledger: Airflow's permissions, questions, their answers, and secret; who holds a role; the clock."""

    allowed: Allowed = allowed_by_airflow
    waiting: Waiting = waiting_in_airflow
    instance: Instance = instance_in_airflow
    answer: Answer = answer_in_airflow
    people: Callable[[], Maintenance] = reread
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    secret: Secret = lambda: conf.get_mandatory_value("api", "secret_key")


def page_routes(ledger: LedgerSessions, config: Settings, around: Around) -> APIRouter:
    """The routes of the pages. Each asks Airflow who looks at it, before the ledger is asked."""
    router, site = APIRouter(), _Site(ledger, config, around, FormTokens(around.secret))
    looking = Depends(visitors(config, around.allowed, around.people))

    @router.get("/")
    def home(visitor: Visitor = looking) -> Response:
        return site.home(visitor)

    @router.get("/windows")
    def windows(visitor: Visitor = looking, month: str | None = None) -> Response:
        return site.windows(visitor, month)

    @router.post("/windows/waive")
    def waive_window(visitor: Visitor = looking, fields: Mapping[str, str] = Depends(sent)) -> Response:
        return site.waive(visitor, fields)

    @router.get("/findings")
    def findings(visitor: Visitor = looking, page: str = "1", of: str = "") -> Response:
        return site.findings(visitor, page, of)

    @router.post("/findings/acknowledge")
    def acknowledge_alert(visitor: Visitor = looking, fields: Mapping[str, str] = Depends(sent)) -> Response:
        return site.acknowledge(visitor, fields)

    @router.get("/checklists")
    def checklists_page(visitor: Visitor = looking, target: str = "") -> Response:
        return site.checklists(visitor, target)

    @router.post("/checklists/acknowledge")
    def acknowledge_checklist(
        visitor: Visitor = looking, fields: Mapping[str, list[str]] = Depends(ticked)
    ) -> Response:
        return site.acknowledge_rows(visitor, fields)

    @router.get("/guide")
    def guide_page(visitor: Visitor = looking) -> Response:
        return site.guide(visitor)

    router.include_router(_number_routes(site, looking))
    router.include_router(_question_routes(site, looking))
    return router


def _number_routes(site: _Site, looking: Any) -> APIRouter:
    router = APIRouter()

    @router.get("/trends")
    def trends(request: Request, visitor: Visitor = looking) -> Response:
        return site.trend(visitor, request.query_params)

    @router.get("/databases")
    def databases_page(request: Request, visitor: Visitor = looking) -> Response:
        return site.databases(visitor, request.query_params)

    return router


def _question_routes(site: _Site, looking: Any) -> APIRouter:
    router, place = APIRouter(), "/questions/{dag_id}/{run_id}/{task_id}"

    @router.get(place)
    def question(dag_id: str, run_id: str, task_id: str, visitor: Visitor = looking, given: str = "") -> Response:
        return site.question(visitor, (dag_id, run_id, task_id, -1), given=bool(given))

    @router.post(place)
    async def answer_question(
        request: Request,
        dag_id: str,
        run_id: str,
        task_id: str,
        visitor: Visitor = looking,
        fields: Mapping[str, list[str]] = Depends(ticked),
    ) -> Response:
        return await site.answer(visitor, (dag_id, run_id, task_id, -1), fields, login_of(request))

    return router


@dataclass(frozen=True)
class _Site:
    """What each page shows, and what its form does."""

    ledger: LedgerSessions
    config: Settings
    around: Around
    tokens: FormTokens

    def home(self, visitor: Visitor) -> Response:
        config, now = self.config, self.around.clock()
        asked_now = self._asked_now(visitor)
        with self.ledger.session() as session:
            seen = picture(session, config, visitor.targets, now)
            windows = past(session, visitor.targets, seen.calendar, now - STRIP, now)
            values = {
                "seen": seen,
                "states": states(session, config, visitor.targets, seen),
                "questions": open_questions(session, config, visitor, asked_now, now),
                "rows": waiting(session, config, visitor, now),
                "missed": missed(config, seen.calendar, visitor.targets),
                "next": next_of_each(config, visitor.targets, now),
                "strips": strips(windows),
                "owners": by_owner(seen.stories),
                "ages": [words for _, words in AGES],
            }
        return shown("home.html", frame("", visitor, config, now) | values)

    def windows(self, visitor: Visitor, month: str | None) -> Response:
        config, now = self.config, self.around.clock()
        try:
            chosen = month_of(month, now)
        except ValueError as error:
            raise HTTPException(400, str(error)) from None
        with self.ledger.session() as session:
            found = calendar(session, config, now)
            gone = past(session, visitor.targets, found, chosen.start, min(chosen.end, now))
        values = {
            "clocks": found is not None,
            "missed": missed(config, found, visitor.targets),
            "month": chosen.filled(gone, ahead(config, visitor.targets, max(chosen.start, now), chosen.end)),
            "next": next_of_each(config, visitor.targets, now),
        }
        return shown("windows.html", frame("windows", visitor, config, now) | self._form(visitor) | values)

    def findings(self, visitor: Visitor, page: str, only: str) -> Response:
        config, now, number = self.config, self.around.clock(), page_number(page)
        with self.ledger.session() as session:
            stories = page_of(session, config, visitor, picture(session, config, visitor.targets, now), number, only)
        values = {"found": stories, "only": only, "accepted": accepted(config, now)}
        return shown("findings.html", frame("findings", visitor, config, now) | self._form(visitor) | values)

    def checklists(self, visitor: Visitor, target: str) -> Response:
        """Of each target the latest windows; of one that is chosen, or the only one, all."""
        config, now = self.config, self.around.clock()
        asked_now = self._asked_now(visitor)
        of = replace(visitor, targets=(target_of(target, visitor.targets),)) if target else visitor
        with self.ledger.session() as session:
            questions = open_questions(session, config, of, asked_now, now)
            lists = checklists(session, config, of, questions, now)
        values = {"lists": lists, "reach": REACH, "older": OLDER, "chosen": target}
        return shown("checklists.html", frame("checklists", visitor, config, now) | self._form(visitor) | values)

    def trend(self, visitor: Visitor, query: Mapping[str, str]) -> Response:
        now = self.around.clock()
        with self.ledger.session() as session:
            values = trend(session, self.config, visitor.targets, query, now)
        return shown("trends.html", frame("trends", visitor, self.config, now) | values)

    def databases(self, visitor: Visitor, query: Mapping[str, str]) -> Response:
        now = self.around.clock()
        with self.ledger.session() as session:
            values = databases(session, self.config, visitor.targets, query, now)
        return shown("databases.html", frame("databases", visitor, self.config, now) | values)

    def guide(self, visitor: Visitor) -> Response:
        config, now = self.config, self.around.clock()
        with self.ledger.session() as session:
            found = guide.results(session, visitor.targets, now)
        values = {
            "chapters": guide.chapters(found),
            "items": len(found),
            "seen": sum(not one.missing for one in found),
            "reach": guide.REACH,
            "looks": guide.LOOKS,
            "sections": guide.SECTIONS,
        }
        return shown("guide.html", frame("guide", visitor, config, now) | values)

    def asked(self, visitor: Visitor, task: Task) -> Asked:
        waiting, instance = self.around.waiting([task[0]]), self.around.instance(task[0], task[1])
        with self.ledger.session() as session:
            return asked(session, self.config, visitor, task, waiting, instance, self.around.clock())

    def question(self, visitor: Visitor, task: Task, *, given: bool) -> Response:
        found = self.asked(visitor, task)
        place = question_href(*task[:3])
        values = {"asked": found, "given": given, "up": "../" * place.count("/")}
        return shown(
            "question.html", frame(place, visitor, self.config, self.around.clock()) | self._form(visitor) | values
        )

    async def answer(
        self, visitor: Visitor, task: Task, fields: Mapping[str, list[str]], login: Mapping[str, str]
    ) -> Response:
        """Give it to Airflow as this visitor; where Airflow takes it, the page says what the ledger makes of it."""
        one = {name: values[-1] for name, values in fields.items()}
        self.tokens.require(one.get("token", ""), visitor.user_id)
        found = await run_in_threadpool(self.asked, visitor, task)
        if one.get("digest") != found.digest:
            raise HTTPException(409, "Nothing was answered: it asks something else by now. Open it again")
        given = found.answer(
            one.get("option", ""), fields.get("choice", []), fields.get("reviewed", []), one.get("comment", "")
        )
        status, said = await self.around.answer(login, task, given)
        require_taken(status, said, visitor.name, " or ".join(found.people))
        return RedirectResponse("?given=yes", 303)

    def waive(self, visitor: Visitor, fields: Mapping[str, str]) -> Response:
        self.tokens.require(fields.get("token", ""), visitor.user_id)
        with self.ledger.session(read_only=False) as session:
            waive(session, visitor, fields)
        return RedirectResponse("../windows#missed", 303)

    def acknowledge(self, visitor: Visitor, fields: Mapping[str, str]) -> Response:
        self.tokens.require(fields.get("token", ""), visitor.user_id)
        now = self.around.clock()
        with self.ledger.session(read_only=False) as session:
            alert = acknowledge(session, self.config, visitor, fields, now)
        return RedirectResponse(f"../findings?of={OpenStory(alert.trouble, alert, now).anchor}", 303)

    def acknowledge_rows(self, visitor: Visitor, fields: Mapping[str, list[str]]) -> Response:
        self.tokens.require(fields.get("token", [""])[-1], visitor.user_id)
        now, asked_now = self.around.clock(), self._asked_now(visitor)
        with self.ledger.session(read_only=False) as session:
            questions = open_questions(session, self.config, visitor, asked_now, now)
            cadence = acknowledge_rows(session, self.config, visitor, fields, questions, now)
        target = fields.get("target", [""])[-1]
        chosen = f"?target={quote(target, safe='')}" if target in visitor.targets else ""
        return RedirectResponse(f"../checklists{chosen}#{cadence}", 303)

    def _asked_now(self, visitor: Visitor) -> frozenset[Task]:
        """The tasks of the visitor's targets that wait for a person."""
        dags = [dag for target in visitor.targets for dag in dags_of(self.config, target).values()]
        return self.around.waiting(dags)

    def _form(self, visitor: Visitor) -> dict[str, str]:
        return {"token": self.tokens.give(visitor.user_id)}


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
