"""All rules of the audit, as data. What each means and how to mend it at length: ``docs/audit.md``."""

from __future__ import annotations

from upkeep.areas.security.audit.rule import Rule
from upkeep.areas.security.audit.server import ROLES, SERVER
from upkeep.areas.security.audit.tables import API, POLICIES, PUBLIC

#: In the order of the report; ``upkeep.settings.audit`` names the same.
RULES: tuple[Rule, ...] = (*POLICIES, *API, *PUBLIC, *ROLES, *SERVER)
