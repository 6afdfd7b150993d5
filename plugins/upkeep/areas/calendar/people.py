"""Who is needed in a window, by config: what an event in their calendar says."""

from __future__ import annotations

from collections.abc import Iterable

from upkeep.settings.maintenance import Maintenance
from upkeep.settings.monthly import MONTHLY_TASKS


def description(config: Maintenance, cadence: str, dag_id: str, kinds: Iterable[str]) -> str:
    """The DAG and the roles of one cadence's windows; ``kinds`` are those of action that they may plan."""
    lines = [f"DAG: {dag_id}"]
    if cadence == "monthly":
        lines.append(f"Sign on: {_titles(config, config.monthly.sign_on)}")
        owned = {MONTHLY_TASKS[task][1]: role for task, role in config.monthly.tasks.items()}
        lines += [f"Attests {task}: {_titles(config, [role])}" for task, role in owned.items()]
    lines += [f"Approve {kind}: {_titles(config, config.approval.roles_of(kind))}" for kind in kinds]
    if cadence == "monthly":
        lines.append(f"Signs off: {_titles(config, [config.monthly.sign_off])}")
    if len(lines) == 1:
        lines.append("Reads only: nobody is asked.")
    return "\n".join(lines)


def _titles(config: Maintenance, roles: Iterable[str]) -> str:
    """Titles with the people who hold each role now."""
    return ", ".join(
        f"{config.roles[role].title} ({', '.join(config.roles[role].users) or 'nobody yet'})" for role in roles
    )
