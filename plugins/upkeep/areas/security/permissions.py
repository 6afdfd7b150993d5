"""Permission changes (G77): who may do what, held against the snapshot of an earlier window.

Facts come from catalogues that everybody may read; no password is among them. What is looked at: roles, memberships,
grants (database, schemas, relations, columns, functions), default privileges, owners, row-level security and its
policies, SECURITY DEFINER functions. Not looked at: types, languages, foreign servers, large objects, parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from upkeep.areas.look import Check, Look
from upkeep.core.findings import Finding, Level, Topic
from upkeep.ledger.write import LookResult

#: kind of fact → name → what it says.
Facts = Mapping[str, Mapping[str, str]]

#: Changes that one look shows, the alarming ones first; a last finding says how many more there are.
SHOWN = 50
#: Characters of a fact that a finding shows; a policy may be long.
MAX_SAID = 500
_TOPIC = Topic("permissions", "Permissions", "G77")
_STATEMENTS = (
    "roles",
    "memberships",
    "grants",
    "default_privileges",
    "relations",
    "policies",
    "definer_functions",
)
#: All of them are in every snapshot, also without a fact: a kind that an older one lacks was not looked at then.
KINDS = (
    "role",
    "membership",
    "grant",
    "default",
    "schema",
    "table",
    "view",
    "sequence",
    "policy",
    "definer",
)
_WORDS = {
    "default": "Default privileges:",
    "definer": "SECURITY DEFINER function",
}
#: Words of a role and of a membership that pass every other permission.
_POWERS = {
    "role": ("superuser", "createrole", "bypassrls"),
    "membership": ("powerful", "admin"),
    "definer": ("without search_path",),
}


@dataclass(frozen=True)
class PermissionChange:
    """One fact that is not what it was; ``old`` is None when it is new, ``new`` None when it is gone."""

    kind: str
    name: str
    old: str | None
    new: str | None

    @property
    def alarming(self) -> bool:
        """Whether it opens a door that other permissions rely on being shut.

        What PUBLIC has by the server's default (EXECUTE on every new function) is not: nobody has granted it.
        """
        if self.new is None:
            return False
        if self.kind in _POWERS:
            return any(word in self._words(self.new) - self._words(self.old) for word in _POWERS[self.kind])
        if self.kind in ("grant", "default"):
            return self.name.endswith(" to PUBLIC") and not self.new.endswith(" by default") and self._more()
        return self.kind == "table" and self.new.startswith("row security off") and self._was_guarded()

    def _more(self) -> bool:
        """Whether PUBLIC has a privilege that it had not; less of it is no alarm."""
        return bool(self._words(self.new) - self._words((self.old or "").removesuffix(" by default")))

    def _was_guarded(self) -> bool:
        return bool(self.old and self.old.startswith("row security on"))

    @staticmethod
    def _words(says: str | None) -> set[str]:
        return set((says or "").split(", "))


def diff(before: Facts, now: Facts) -> list[PermissionChange]:
    """What was added, removed or changed, the alarming first. Pure. Kinds that one of the two lacks are left out."""
    changes = [
        PermissionChange(kind, name, old.get(name), new.get(name))
        for kind, new in now.items()
        if (old := before.get(kind)) is not None
        for name in old.keys() | new.keys()
        if _meant(old.get(name)) != _meant(new.get(name))
    ]
    return sorted(changes, key=lambda change: (not change.alarming, change.kind, change.name))


def _meant(says: str | None) -> str | None:
    """The first grant of any kind writes the default down beside it: the same permission as before."""
    return says if says is None else says.removesuffix(" by default")


def permissions(look: Look) -> LookResult:
    """Every permission as it is now, and what differs from the last snapshot."""
    now = facts(look)
    noted = sum(map(len, now.values()))
    if look.previous is None:
        return LookResult((_first(noted),), snapshot=now)
    due, before = look.previous
    changes = diff(before, now)
    since = f"the snapshot of the window due {due:%Y-%m-%d %H:%M} UTC"
    if not changes:
        said = f"{noted} facts are the same as in {since}"
        return LookResult((_TOPIC.finding(Level.OK, said, "no change that nobody knows of"),), snapshot=now)
    findings = [_changed(change, since) for change in changes[:SHOWN]]
    if hidden := changes[SHOWN:]:
        findings.append(_more(hidden, since))
    return LookResult(tuple(findings), snapshot=now)


def facts(look: Look) -> dict[str, dict[str, str]]:
    """Every permission as it is now, by kind and name."""
    found: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
    for name in _STATEMENTS:
        for row in look.session.rows(look.session.load(f"security/permissions/{name}")):
            found[row["kind"]][row["name"]] = row["says"]
    return found


def _first(noted: int) -> Finding:
    """Advisory and not UNKNOWN: everything was collected, and one reading by a person is what makes it a baseline."""
    return _TOPIC.finding(
        Level.ADVISORY,
        f"nothing to compare with yet: {noted} facts noted, and no earlier snapshot",
        "a snapshot of an earlier window",
        "Review the roles and grants once: from the next window on only what differs from today is said.",
    )


def _changed(change: PermissionChange, since: str) -> Finding:
    if change.old is None:
        detail = f"new: {_cut(change.new)}"
    elif change.new is None:
        detail = f"gone: it was {_cut(change.old)}"
    else:
        detail = f"{_cut(change.new)}; it was {_cut(change.old)}"
    subject = f"{_WORDS.get(change.kind, change.kind.capitalize())} {change.name}"
    return Topic(f"permission:{change.kind}:{change.name}", subject, "G77").finding(
        Level.WARNING if change.alarming else Level.ADVISORY,
        detail,
        f"as in {since}",
        "Ask who changed it and why; if nobody knows, take it back and look at what was done with it.",
        {"kind": change.kind, "name": change.name},
    )


def _more(hidden: list[PermissionChange], since: str) -> Finding:
    return _TOPIC.part("more", "Other permissions").finding(
        Level.WARNING if any(change.alarming for change in hidden) else Level.ADVISORY,
        f"{len(hidden)} more changes; the {SHOWN} that matter most are shown",
        f"as in {since}",
        "So many at once are a migration or another database; if neither is known of, treat it as an incident.",
        {"more": len(hidden)},
    )


def _cut(says: str | None) -> str:
    text = says or ""
    return text if len(text) <= MAX_SAID else f"{text[:MAX_SAID]}…"


CHECKS = (Check("security/permissions", "G77", "Permission changes", permissions),)
