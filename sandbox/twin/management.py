"""The twin of the one call of Supabase's Management API that Upkeep makes: the list of a project's backups.

Its backups are the sandbox's own base backups, listed as the platform lists its physical ones.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import HTTPException, Request

from sandbox.twin.keys import Keys
from upkeep.areas.backups import files

PATH = "/v1/projects/{ref}/database/backups"


def listing(keys: Keys, base: Path) -> Callable[[str, Request], dict[str, Any]]:
    """Answers for whoever has the secret key as a token."""

    def listed(ref: str, request: Request) -> dict[str, Any]:
        if request.headers.get("Authorization") != f"Bearer {keys.secret_key}":
            raise HTTPException(401, "Unauthorized")
        found = [
            {
                "is_physical_backup": True,
                "status": "COMPLETED" if backup.finished else "PENDING",
                "inserted_at": backup.started_at.isoformat(),
            }
            for backup in files.find(base)
        ]
        return {
            "region": ref,
            "walg_enabled": True,
            "pitr_enabled": True,
            "backups": found,
            "physical_backup_data": {},
        }

    return listed
