"""What the files of the project say of one another: dependencies and their versions, classifiers and the workflow."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import FIXTURES

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_dependency_has_a_version_that_is_wanted() -> None:
    """No package of pyproject.toml is installed in a version that constraints.txt does not say."""
    pinned: dict[str, list[Requirement]] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            assert "@" not in line
            requirement = Requirement(line)
            pinned.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    needed = [
        *PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"]["embedded"],
        *PROJECT["dependency-groups"]["dev"],
    ]
    for requirement in map(Requirement, needed):
        pins = pinned.get(canonicalize_name(requirement.name))
        assert pins, f"{requirement.name} has no version; run: make lock"
        for pin in pins:
            (version,) = pin.specifier
            assert version.operator == "=="
            assert requirement.specifier.contains(version.version), f"{pin} is not {requirement}; run: make lock"


def test_what_is_claimed_is_what_the_workflow_runs() -> None:
    """The classifiers name the Pythons and systems of the workflow, no more and no fewer."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    claimed = {each.removeprefix("Programming Language :: Python :: 3.") for each in PROJECT["project"]["classifiers"]}
    minors = sorted(int(each) for each in claimed if each.isdecimal())
    assert [f"3.{minor}" for minor in minors] == jobs["python"]["strategy"]["matrix"]["python"]
    assert PROJECT["project"]["requires-python"] == f">=3.{minors[0]}"
    systems = {"Linux": "ubuntu-latest", "MacOS": "macos-latest"}
    claimed = {each.split(" :: ")[-1] for each in PROJECT["project"]["classifiers"] if each.startswith("Operating")}
    assert {systems[each] for each in claimed} == {job["runs-on"] for job in jobs.values()}


def test_no_unit_test_needs_a_server(request: pytest.FixtureRequest) -> None:
    """What is in tests/unit can be run anywhere, in seconds; what needs a server or a terminal is not in there."""
    needy = [
        item.nodeid
        for item in request.session.items
        if item.path.is_relative_to(ROOT / "tests" / "unit")
        and any(item.get_closest_marker(marker) for marker in FIXTURES)
    ]
    assert not needy
