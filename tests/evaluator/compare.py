"""The comparison: a case is put in a database, the product computes it, and every cell is held against `evaluate`."""

from __future__ import annotations

import re
import tomllib
import traceback
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from countercache.config import loader
from countercache.model.states import Computed
from tests.computing import Results, compute
from tests.evaluator.cases import Case
from tests.evaluator.evaluate import CONFIG, Cells, Outcome, evaluate
from tests.evaluator.places import Place
from tests.evaluator.reduce import reduced

BATCH_SIZES: tuple[int | str, ...] = ("auto", 1, 7)


def differences(case: Case, place: Place, directory: Path) -> list[str]:
    """Where the product differs from the page, or from itself with batches of another size."""
    place.load(case.script)
    (directory / "countercache.toml").write_text(
        f'{case.toml}\n[databases.main]\nurl = "{place.url}"\n', encoding="utf-8"
    )
    settings = loader.load(directory / "countercache.toml", {})
    expected = evaluate(tomllib.loads(case.toml), place, case.declared)
    try:
        results = {size: compute(settings, batch_size=size) for size in BATCH_SIZES}
    except Exception:  # noqa: BLE001 - it is the answer
        return [traceback.format_exc()]
    found = {size: list(_compare(expected, computed)) for size, computed in results.items()}
    first, *others = BATCH_SIZES
    lines = list(found[first])
    for size in others:
        lines += [f"only with batch size {size}: {line}" for line in found[size] if line not in found[first]]
        lines += [f"not with batch size {size}: {line}" for line in found[first] if line not in found[size]]
        if _labels(results[size]) != _labels(results[first]):
            lines.append(
                f"the labels with batch size {size}: {_labels(results[size])}, with {first}: {_labels(results[first])}"
            )
    return lines


def report(case: Case, place: Place, directory: Path) -> str:
    """What differs, with the case made small; empty where all is as it should be."""
    found = differences(case, place, directory)
    if not found:
        return ""
    kinds = set(map(_kind, found))
    case = reduced(case, lambda smaller: bool(kinds & set(map(_kind, differences(smaller, place, directory)))))
    return f"{case}\n" + "\n".join(differences(case, place, directory))


def _kind(difference: str) -> str:
    """What two differences have in common that may come from the same cause: the words that are no names or numbers."""
    quoted_or_number = re.compile(r"'[^']*'|\"[^\"]*\"|[-\d./]+(e[+-]\d+)?|\([^)]*\)")
    return quoted_or_number.sub("", difference if difference.startswith("Traceback") else difference[:300])


def _labels(results: Results) -> dict[tuple[str, str, str], str]:
    return {key: cell.label for key, cell in results.cells.items()}


def _compare(expected: Cells, results: Results) -> Iterator[str]:
    if results.ended:
        yield f"the job ended with {results.ended}"
        return
    seen = set()
    for key, computed in results.cells.items():
        outcome = expected.get(key)
        seen.add(key)
        if outcome is None:
            yield f"{key} is not expected, and has {_shown(computed)}"
        elif problem := _differs(outcome, computed):
            yield f"{key}: {problem}\n    expected {_wanted(outcome)}\n    computed {_shown(computed)}"
    for key, outcome in expected.items():
        if key in seen:
            continue
        failure = results.failures.get(key[0])
        if failure is None or failure.reason != outcome.reason:
            yield f"{key} is missing\n    expected {_wanted(outcome)}\n    its counter failed with {failure}"


def _differs(outcome: Outcome, computed: Computed) -> str:
    """In what a cell differs."""
    if computed.failure:
        if computed.failure.reason != outcome.reason:
            return "the reason"
        return "label" if outcome.label and computed.label != outcome.label and outcome.reason != CONFIG else ""
    found = {
        "value": (outcome.value, _exact(computed.value)),
        "previous": (outcome.previous, _exact(computed.previous)),
        "change": (outcome.change, _exact(computed.change)),
        "coverage": (outcome.coverage, _coverage(computed)),
        "rejected": (outcome.rejected, computed.rejected),
    }
    if computed.value is not None and computed.value.is_signed() and not computed.value:
        return "a negative zero"
    wrong = [name for name, (mine, its) in found.items() if mine != its]
    if computed.label != outcome.label:
        wrong.append("label")
    return ", ".join(wrong)


def _coverage(computed: Computed) -> tuple[int, int] | None:
    return (computed.coverage.reported, computed.coverage.entities) if computed.coverage else None


def _exact(value: object) -> Fraction | None:
    return None if value is None else Fraction(str(value))


def _decimal(value: Fraction | None) -> str:
    return "nothing" if value is None else f"{value} ({float(value):g})"


def _wanted(outcome: Outcome) -> str:
    return _line(
        outcome.reason or _decimal(outcome.value),
        repr(outcome.label),
        outcome.previous,
        outcome.change,
        outcome.coverage,
        outcome.rejected,
    )


def _shown(computed: Computed) -> str:
    failure = computed.failure
    return _line(
        f"{failure.reason}: {failure.text}" if failure else _decimal(_exact(computed.value)),
        repr(computed.label),
        _exact(computed.previous),
        _exact(computed.change),
        _coverage(computed),
        computed.rejected,
    )


def _line(
    what: str,
    label: str,
    previous: Fraction | None,
    change: Fraction | None,
    coverage: tuple[int, int] | None,
    rejected: int,
) -> str:
    parts = (what, f"label {label}", f"previous {_decimal(previous)}", f"change {_decimal(change)}")
    return ", ".join((*parts, f"coverage {coverage}", f"{rejected} rejected"))
