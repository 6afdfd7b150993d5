"""X1: the project in the guide's URLs is an example; the address comes from a Connection and from nowhere else."""

from __future__ import annotations

import pytest

from upkeep.settings.base import ROOT

#: In two halves, for this file is searched too.
REF = "etretluugv" + "clmydzlfte"
FOLDERS = ("bench", "config", "dags", "docs", "include", "plugins", "sandbox", "tests")


@pytest.mark.guide("X1", "holds")
def test_the_guides_project_is_named_nowhere() -> None:
    """No code, config, SQL, test or document holds the example's project ref, so nothing can call it."""
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*") if file.is_file()]
    read = [file for file in files if file.suffix in {".py", ".sql", ".yaml", ".json", ".md", ".sh", ".html"}]
    assert len(read) > 100
    assert [file for file in read if REF in file.read_text(encoding="utf-8")] == []


@pytest.mark.guide("X1", "holds")
def test_no_default_address_stands_in_the_code() -> None:
    """The base URL is the Connection's: neither package nor config holds one."""
    files = [*(ROOT / "plugins").rglob("*.py"), *(ROOT / "config").glob("*.yaml"), *(ROOT / "dags").glob("*.py")]
    assert len(files) > 30
    hosts = [file for file in files if ".supabase.co/functions" in file.read_text(encoding="utf-8")]
    assert hosts == []
