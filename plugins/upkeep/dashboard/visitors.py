"""Who looks at a page: Airflow says who is logged in and what they may read, config which roles they hold."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.models.dag import DagModel
from starlette.exceptions import HTTPException

from upkeep.settings.load import Settings, dag_name
from upkeep.settings.maintenance import Maintenance

#: Reading the runs of a DAG, or answering what its runs ask.
Deed = Literal["read", "answer"]
#: Which of these DAGs a user may read or answer for.
Allowed = Callable[[Any, Deed, Collection[str]], frozenset[str]]

_RIGHTS = {"read": ("GET", DagAccessEntity.RUN), "answer": ("PUT", DagAccessEntity.HITL_DETAIL)}


def allowed_by_airflow(user: Any, deed: Deed, dag_ids: Collection[str]) -> frozenset[str]:
    """Airflow's auth manager decides, for each DAG with its team as Airflow's own pages ask it."""
    method, entity = _RIGHTS[deed]
    teams, manager = DagModel.get_dag_id_to_team_name_mapping(list(dag_ids)), get_auth_manager()
    return frozenset(
        dag_id
        for dag_id in dag_ids
        if manager.is_authorized_dag(
            method=method,  # type: ignore[arg-type]
            access_entity=entity,
            details=DagDetails(id=dag_id, team_name=teams.get(dag_id)),
            user=user,
        )
    )


@dataclass(frozen=True)
class Visitor:
    """Somebody who is logged in: the targets of which they may read every run, and those that they may answer for.

    ``person`` is their name in config, empty for somebody whom config does not know; ``roles`` are names of roles,
    ``unheld`` those that nobody holds now.
    """

    user_id: str
    name: str
    person: str
    roles: frozenset[str]
    targets: tuple[str, ...]
    answers: frozenset[str]
    unheld: frozenset[str]

    def titles(self, config: Maintenance) -> str:
        """The roles in words."""
        return ", ".join(role.title for name, role in config.roles.items() if name in self.roles)


def dags_of(config: Settings, target: str) -> dict[str, str]:
    """Cadence → the DAG of a target's windows."""
    return {
        name: dag_name(f"maintenance_{name}", target, config.targets) for name in config.maintenance.cadences(target)
    }


def visitors(config: Settings, allowed: Allowed, people: Callable[[], Maintenance]) -> Callable[[Any], Visitor]:
    """A dependency of routes: who asks. Raises 401 without a login, 403 for who may read no target's runs.

    A page mixes what a target's windows have found, so a target is readable where all of its DAGs are.
    """

    def visitor(user: GetUserDep) -> Visitor:
        dags = {target: frozenset(dags_of(config, target).values()) for target in config.targets}
        every = frozenset().union(*dags.values())
        read = allowed(user, "read", every)
        targets = tuple(target for target, of in dags.items() if of <= read)
        if not targets:
            raise HTTPException(403, "You may not read the runs of any target's windows")
        answer, known = allowed(user, "answer", every), people()
        user_id, name = str(user.get_id()), str(user.get_name())
        person = name if known.person_by_id(user_id) == name else ""
        roles = frozenset(role for role in known.roles if person in known.holders(role))
        unheld = frozenset(role for role in known.roles if not known.holders(role))
        answers = frozenset(target for target in targets if dags[target] <= answer)
        return Visitor(user_id, name, person, roles, targets, answers, unheld)

    return visitor
