"""The request that Airflow's human-in-the-loop keeps for a task: sent by the sensor itself, and read back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

if TYPE_CHECKING:
    from uuid import UUID


def send(
    ti_id: UUID, subject: str, body: str, *, options: list[str], params: dict[str, Any], assigned: list[dict[str, str]]
) -> None:
    """Send it, or empty the answer of the one that is there; raises AirflowFailException when Airflow keeps another.

    After a clear, a retry or a second question of the same try it keeps the first one, whatever is sent.
    """
    from airflow.sdk.api.datamodels._generated import HITLUser
    from airflow.sdk.execution_time.comms import CreateHITLDetailPayload
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

    kept: Any = SUPERVISOR_COMMS.send(
        msg=CreateHITLDetailPayload(
            ti_id=ti_id,
            options=options,
            subject=subject,
            body=body,
            defaults=None,
            multiple=False,
            params=params,
            assigned_users=[HITLUser(**user) for user in assigned],
        )
    )
    asked = [{"id": user.id, "name": user.name} for user in kept.assigned_users or []]
    wanted = [subject, body, options, params, assigned, None, False]
    found = [kept.subject, kept.body, kept.options, kept.params, asked, kept.defaults, bool(kept.multiple)]
    if _same(found) != _same(wanted):
        raise AirflowFailException(
            "Airflow keeps another request for this task than the plan's (it was asked before with other people, "
            "another plan or another text): nobody is asked; start a new run"
        )


def _same(value: Any) -> Any:
    """A value as JSON gives it back."""
    return json.loads(json.dumps(value))
