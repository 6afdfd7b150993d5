"""An answer to a question, given to Airflow as the person who is logged in: its own route with its own checks.

The route is asked in this process, so that no address, port or certificate of the api-server has to be known; the
request carries the login that the browser showed and no other. What counts is the ledger's to say, as ever: the
sensor that Airflow wakes decides (docs/gate.md, rule 2).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

import httpx
from fastapi import Request
from starlette.exceptions import HTTPException

from upkeep.dashboard.questions import Task

#: Gives an answer to Airflow under a login: the status and what it said.
Answer = Callable[[Mapping[str, str], Task, Mapping[str, Any]], Awaitable[tuple[int, str]]]
_LOGIN = ("Authorization", "Cookie")


def login_of(request: Request) -> dict[str, str]:
    """What the visitor showed Airflow to be let in."""
    return {name: request.headers[name] for name in _LOGIN if name in request.headers}


async def answer_in_airflow(login: Mapping[str, str], task: Task, answer: Mapping[str, Any]) -> tuple[int, str]:
    """Airflow's ``PATCH …/hitlDetails``, in the app that this process serves."""
    from airflow.api_fastapi.main import app  # noqa: PLC0415  # there once the server has started

    dag_id, run_id, task_id, map_index = task
    run = f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}"
    path = f"{run}/taskInstances/{quote(task_id, safe='')}/{map_index}/hitlDetails"
    inside = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=inside, base_url="http://airflow") as airflow:
        said = await airflow.patch(path, json=dict(answer), headers=dict(login))
    return said.status_code, said.text


def require_taken(status: int, said: str, name: str, people: str) -> None:
    """Raises HTTPException with Airflow's refusal in words."""
    if status == 200:
        return
    why = {
        401: "Airflow does not know you any more. Sign in again",
        403: f"Airflow lets only {people} answer it, and you are {name}",
        404: "Airflow does not ask it any more. Its run was deleted, or cleared",
        409: "somebody has answered it already, and the first answer stays",
    }.get(status, f"Airflow answered {status}: {said[:300]}")
    raise HTTPException(status if 400 <= status < 500 else 502, f"Nothing was answered: {why}")
