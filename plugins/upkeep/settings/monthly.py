"""``config/maintenance.yaml``: monthly: who signs on, who owns which task, who signs off (G23-G30)."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, field_validator

from upkeep.settings.base import FrozenModel, Name, exactly

#: The guide's monthly tasks, with the one of its "Monthly Database Tasks" and the part of the recovery drill that a
#: person carries out: name → (guide's item, title).
MONTHLY_TASKS: Mapping[str, tuple[str, str]] = {
    "audit": ("G24", "Security audit and compliance review"),
    "recovery": ("G25", "Disaster recovery testing"),
    "rollback": ("G104", "Rollback of a function's deployment"),
    "baselines": ("G26", "Performance baseline updates"),
    "capacity": ("G27", "Capacity scaling assessment"),
    "documentation": ("G28", "Documentation updates"),
    "integrations": ("G29", "Third-party integrations review"),
    "cost": ("G30", "Cost optimisation analysis"),
    "database": ("G55", "Monthly database tasks"),
}


class Monthly(FrozenModel):
    """Roles that must sign on before anything is changed, the owner of each task, who signs off; times in minutes."""

    sign_on: tuple[Name, ...] = Field(min_length=1)
    sign_on_minutes: int = Field(ge=1, le=24 * 60, strict=True)
    attest_minutes: int = Field(ge=1, le=24 * 60, strict=True)
    tasks: Mapping[str, Name]
    sign_off: Name
    sign_off_minutes: int = Field(ge=1, le=7 * 24 * 60, strict=True)

    @field_validator("sign_on")
    @classmethod
    def _none_twice(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError(f"found {list(value)}, expected no role twice")
        return value

    @field_validator("tasks")
    @classmethod
    def _each_task(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        return exactly(value, tuple(MONTHLY_TASKS))

    @property
    def roles(self) -> frozenset[str]:
        """Every role that is asked for a signature."""
        return frozenset((*self.sign_on, *self.tasks.values(), self.sign_off))
