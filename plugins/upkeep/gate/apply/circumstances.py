"""What config says at a moment, as far as it decides whether an action may run. Pure."""

from __future__ import annotations

from datetime import datetime

from upkeep.core import windows
from upkeep.gate.permits import Circumstances
from upkeep.gate.plans.model import SCHEDULE, Plan
from upkeep.settings.maintenance import Maintenance


def circumstances(
    config: Maintenance,
    plan: Plan,
    now: datetime,
    done: frozenset[str] = frozenset(),
    missing_sign_on: str = "",
    requested_by: str = "",
) -> Circumstances:
    """What config says at a moment about people, requester, freezes and override.

    ``requested_by`` is Airflow's name for who asked for the run as it is now: they count beside the plan's requester.
    ``missing_sign_on`` is who has not signed on.
    """
    asked = {name: _asked_by(config, name) for name in (plan.requested_by, requested_by or plan.requested_by)}
    unknown = next((name for name, people in asked.items() if people is None), None)
    frozen = windows.frozen(config.freezes, now)
    return Circumstances(
        now=now,
        holders={role: config.holders(role) for role in config.roles},
        requester=None if unknown else frozenset().union(*(people or () for people in asked.values())),
        unknown=unknown or "",
        override=config.approval.override,
        frozen=f"{frozen.reason} (until {frozen.end:%Y-%m-%d %H:%M} UTC)" if frozen else "",
        freezes_at=windows.next_freeze(config.freezes, now),
        missing_sign_on=missing_sign_on,
        done=done,
    )


def _asked_by(config: Maintenance, name: str) -> frozenset[str] | None:
    return config.requester(None if name == SCHEDULE else name)
