"""The security audit (G78, G79): each rule is one statement of ``include/sql/security/audit``; its rows are findings.

Everything is read from catalogues; what this role may not read is UNKNOWN, never ok. Nothing is mended here.
``docs/audit.md`` has a section for each rule.
"""

from __future__ import annotations

from upkeep.areas.look import Check
from upkeep.areas.security.audit.ask import audit
from upkeep.areas.security.audit.rule import Rule
from upkeep.areas.security.audit.rules import RULES

CHECKS = (Check("security/audit", "G78", "Security audit", audit),)

__all__ = ["CHECKS", "RULES", "Rule", "audit"]
