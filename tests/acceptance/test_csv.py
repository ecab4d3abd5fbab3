"""docs/csv.md as a newcomer follows it: every file is written, every command typed, and what it promises is shown."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests import pages
from tests.postgres import Cluster
from tests.terminal import COMMAND, environment
from tests.valkey import Valkey

PAGE = pages.DOCS / "csv.md"
FILES = {"csv": "debt.csv", "python": "load.py"}
FIRST_TOTAL = "£6,316,899,250.50"


def follow(directory: Path, database: str, env: dict[str, str]) -> list[str]:
    """Do what the page says, block by block; each text that it promises has to be in what was shown just before.

    Of the commands for the one database and the other, those for `database` are typed.
    """
    promised: list[str] = []
    shown = ""
    for block in pages.blocks(PAGE.read_text(encoding="utf-8")):
        if block.language in FILES:
            (directory / FILES[block.language]).write_text(block.text, encoding="utf-8")
        elif block.language == "toml":
            write_settings(directory / "countercache.toml", block.text)
        elif block.language == "sh":
            programs = {line.split()[0] for line in block.text.splitlines()}
            if programs & {"psql", "python3"} - {database}:
                continue
            done = subprocess.run(
                ["sh", "-c", block.text], cwd=directory, env=env, capture_output=True, encoding="utf-8", check=False
            )
            shown = done.stdout + done.stderr
            assert "Traceback" not in shown
        else:
            assert block.text.strip() in shown
            promised.append(block.text.strip())
    return promised


def write_settings(file: Path, text: str) -> None:
    """The whole file; or its tables in place of those of the same name that are there, and beside the others."""
    if text.startswith("[databases"):
        file.write_text(text, encoding="utf-8")
        return
    after = file.read_text(encoding="utf-8")
    for table in re.findall(r"^\[[^\n]*\]\n(?:[^\[\n].*\n)*", text, flags=re.MULTILINE):
        header = re.escape(table.partition("\n")[0])
        after = re.sub(rf"^{header}\n(?:[^\[\n].*\n)*", "", after, flags=re.MULTILINE) + "\n" + table
    file.write_text(after, encoding="utf-8")


@pytest.mark.parametrize("database", ["python3", pytest.param("psql", marks=pytest.mark.postgres)])
def test_from_a_published_file_to_the_first_total(
    database: str, tmp_path: Path, valkey: Valkey, request: pytest.FixtureRequest
) -> None:
    """Without a setting the run ends in an error that names the cure; with the cure there is the exact total."""
    path = [str(COMMAND.parent), os.environ["PATH"]]
    variables = {"REDIS_URL": valkey.url}
    if database == "psql":
        cluster: Cluster = request.getfixturevalue("postgres")
        path.insert(0, str(cluster.programs))
        url = variables["DATABASE_URL"] = request.getfixturevalue("make_database")("")
        variables["COUNTERCACHE_DATABASES__MAIN__URL"] = url
    promised = follow(tmp_path, database, environment(PATH=":".join(path), **variables))
    assert len(promised) == 4
    assert "no numeric column for a field" in promised[0]
    assert "are not numbers" in promised[1]
    assert promised[2] == FIRST_TOTAL
    assert (tmp_path / "debt.db").exists() is (database == "python3")
