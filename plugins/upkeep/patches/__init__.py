"""npm on a copy of a checkout's package.json and package-lock.json: what it is given, how it is run, what it says.

Nothing else of the checkout reaches npm: no .npmrc, no node_modules, no scripts.
Sources: npm's documentation of ``audit``, ``outdated`` and package-lock.json.
"""

from __future__ import annotations

from upkeep.patches.answers import SEVERITIES, Audit, Outdated, Versions, Vulnerability, read_audit, read_outdated
from upkeep.patches.base import LOCK, MANIFEST, MOST_BYTES, NotRun
from upkeep.patches.files import Files, read_files
from upkeep.patches.run import Npm

__all__ = [
    "LOCK",
    "MANIFEST",
    "MOST_BYTES",
    "SEVERITIES",
    "Audit",
    "Files",
    "NotRun",
    "Npm",
    "Outdated",
    "Versions",
    "Vulnerability",
    "read_audit",
    "read_files",
    "read_outdated",
]
