"""The security audit (G78, G79): each rule is one statement of ``include/sql/audit/`` whose rows are what it found.

Everything is read from catalogues; what this role may not read is UNKNOWN, never ok. Nothing is mended here.
``docs/audit.md`` has a section for each rule.
"""

from __future__ import annotations

from upkeep.checks.audit.ask import audit
from upkeep.checks.audit.rule import Rule
from upkeep.checks.audit.rules import RULES
from upkeep.checks.look import Check

CHECKS = (Check("audit", "G78", "Security audit", audit, statement="include/sql/audit/rls_off.sql"),)

__all__ = ["CHECKS", "RULES", "Rule", "audit"]
