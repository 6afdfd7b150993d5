"""The section ``audit`` of ``config/maintenance.yaml``: what the API offers, which rules are asked."""

from __future__ import annotations

from pydantic import Field, field_validator

from upkeep.settings.base import FrozenModel
from upkeep.settings.values import Identifier

#: Every rule of the audit, each a file of ``include/sql/security/audit/`` and a section of ``docs/audit.md``.
RULES = (
    "configured_names",
    "rls_off",
    "rls_without_policy",
    "policy_without_rls",
    "policy_always_true",
    "policy_user_metadata",
    "api_writes",
    "api_definer_views",
    "api_definer_functions",
    "api_materialized_views",
    "api_foreign_tables",
    "schema_create",
    "public_schemas",
    "public_tables",
    "public_functions",
    "public_system",
    "default_privileges",
    "definer_search_path",
    "superusers",
    "role_attributes",
    "powerful_memberships",
    "admin_memberships",
    "password_expired",
    "password_without_expiry",
    "password_md5",
    "extensions_exposed",
    "extension_versions",
    "pg_hba",
    "settings",
    "setting_overrides",
)


class Audit(FrozenModel):
    """Schemas and roles of the API as the catalogue spells them, superusers that are known of, rules left out (G78)."""

    exposed_schemas: tuple[Identifier, ...] = Field(min_length=1)
    api_roles: tuple[Identifier, ...]
    expected_superusers: tuple[Identifier, ...]
    leave_out: tuple[str, ...]

    @field_validator("leave_out")
    @classmethod
    def _known_rules(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(value) - set(RULES)):
            raise ValueError(f"found {unknown}, expected names of rules: {', '.join(RULES)}")
        return value
