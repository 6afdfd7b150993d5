"""What Airflow itself needs to carry out a change: the pool that mutations queue in, and Upkeep once."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from airflow.configuration import conf
from airflow.models.pool import Pool
from sqlalchemy.exc import SQLAlchemyError

from upkeep.cli.check.rows import CheckRow
from upkeep.flow.dag import POOL

PLUGIN = "upkeep_plugin.py"


def pool_row() -> CheckRow:
    """The pool that *apply* waits in; not known where Airflow's own database cannot be asked, such as on a worker."""
    what = f"the pool {POOL}, in which changes queue"
    make = f'`airflow pools set {POOL} 1 "one mutation at a time"`'
    try:
        pool = Pool.get_pool(POOL)
    except SQLAlchemyError as error:
        why = f"not known: Airflow's own database cannot be asked from here ({type(error).__name__})"
        return CheckRow(what, "X9", None, f"{why}; `airflow pools list` on the scheduler's machine says it")
    if pool is None:
        return CheckRow(
            what, "X9", False, f"found none, expected one slot: no change is ever scheduled. {make} makes it"
        )
    if pool.slots < 1 and pool.slots != -1:
        return CheckRow(what, "X9", False, f"found {pool.slots} slots, expected 1: no change is ever scheduled. {make}")
    remark = "" if pool.slots == 1 else "several targets may be changed at once; each is by one change at a time"
    return CheckRow(what, "X9", True, remark)


def loaded_row() -> CheckRow:
    """Whether Upkeep is there once: a wheel beside a checkout's plugin may be another version, and either may run."""
    what, folder = "Upkeep once in this Airflow", Path(conf.get("core", "plugins_folder"))
    try:
        wheel = distribution("upkeep").version
    except PackageNotFoundError:
        return CheckRow(what, "", True)
    if not (folder / PLUGIN).is_file():
        return CheckRow(what, "", True)
    why = f"found the wheel {wheel} and {folder / PLUGIN}, expected one of them: they may be different versions"
    return CheckRow(
        what, "", False, f"{why}. `pip uninstall upkeep`, or take plugins/ of the checkout out of that folder"
    )
