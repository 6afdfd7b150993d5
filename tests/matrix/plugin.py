"""Which tests of the checks cannot be asked of an older server as they stand, each with its reason.

Only `make matrix` loads this, with the major in UPKEEP_MATRIX. A line that fits no test is an error, so that none is
left behind when its test is renamed or mended.
"""

from __future__ import annotations

import os

import pytest

_SMALL = "its server sets reserved_connections, which is from 16 on; test_versions.py runs it on another"
_INHERIT = "it writes GRANT … WITH INHERIT, which is from 16 on; test_versions.py asks the same with NOINHERIT"

#: The first major that a test can be asked of, and why.
FROM = {
    "tests/areas/database/test_sizes.py": {
        "test_levels_at_the_boundaries": (16, _SMALL),
        "test_a_superusers_reserved_slots_make_more_than_all": (16, _SMALL),
        "test_states_are_counted_and_background_processes_are_not": (16, _SMALL),
        "test_an_autovacuum_is_no_long_query_and_no_connection": (16, _SMALL),
        "test_a_member_of_pg_monitor_that_inherits_nothing_judges_nothing": (16, _INHERIT),
    },
}


#: Of the areas' tests those of looks are asked of each major: they want a server, and neither the gate nor a ledger.
#: Backups are checked in their folder with pg_verifybackup, which these builds do not have.
SERVER, BEYOND, NOT_SQL = "new_cluster", {"stage", "kept", "book"}, "tests/areas/backups/"


def _is_of_a_look(item: pytest.Item) -> bool:
    wants = set(getattr(item, "fixturenames", ()))
    in_a_room = item.nodeid.count("/") > 2
    return in_a_room and SERVER in wants and not wants & BEYOND and not item.nodeid.startswith(NOT_SQL)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is no look; skip what this major cannot answer, and say why."""
    named = tuple(one for one in config.args if one != "tests/areas")
    items[:] = [item for item in items if item.nodeid.startswith(named) or _is_of_a_look(item)]
    major = int(os.environ["UPKEEP_MATRIX"])
    left = {(file, test) for file, tests in FROM.items() for test in tests}
    for item in items:
        file, _, name = item.nodeid.partition("::")
        test = name.partition("[")[0]
        left.discard((file, test))
        first, why = FROM.get(file, {}).get(test, (0, ""))
        if major < first:
            item.add_marker(pytest.mark.skip(reason=f"PostgreSQL {major}: {why}"))
    if left:
        raise pytest.UsageError(f"tests/matrix/plugin.py: found no such tests: {sorted(left)}")
