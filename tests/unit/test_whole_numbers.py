"""Formulas on whole numbers give what they give on decimals."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from countercache.compute.formula import evaluate, parse
from countercache.compute.whole_numbers import compiled, whole

FIELDS = ("a", "b", "c")
SEED = random.SystemRandom().randrange(10**6)


def formula(rng: random.Random, depth: int = 4) -> str:
    """A random formula."""
    if depth == 0 or rng.random() < 0.2:
        return rng.choice([*FIELDS, "0", "2", "0.25", "1000000", "3.1415926535"])
    if rng.random() < 0.15:
        return f"-({formula(rng, depth - 1)})"
    return f"({formula(rng, depth - 1)} {rng.choice('+-*/')} {formula(rng, depth - 1)})"


def test_it_is_the_same_as_with_decimals() -> None:
    """Whatever the formula and the places of the values: the same number, or both divide by zero."""
    rng = random.Random(SEED)
    print(f"seed {SEED}")
    for _ in range(2000):
        text, places = formula(rng), rng.choice([0, 2, 7])
        values = [rng.choice([0, 1, -5, 7, 10**13, rng.randint(-(10**9), 10**9)]) for _ in FIELDS]
        decimals = {name: Decimal(value).scaleb(-places) for name, value in zip(FIELDS, values, strict=True)}
        node = parse(text)
        ready = compiled(node, FIELDS, places)
        try:
            expected = evaluate(node, lambda name: decimals[name.name])  # noqa: B023 - called at once
        except ZeroDivisionError:
            with pytest.raises(ZeroDivisionError):
                ready.compute(values)
            continue
        assert Decimal(f"{ready.compute(values)}e-{ready.places}") == expected, (text, values, places)


@pytest.mark.parametrize(
    ("text", "result"), [("a / b", "3" * 30), ("b / a", f"3{'0' * 30}"), ("-a / (2 * b)", f"-1{'6' * 28}7")]
)
def test_a_quotient_is_rounded_half_away_from_zero(text: str, result: str) -> None:
    """It has thirty places, of which the last is rounded."""
    assert compiled(parse(text), ("a", "b"), 0).compute((1, 3)) == int(result)


@pytest.mark.parametrize(
    ("text", "number"), [("12.50", (1250, 2)), ("-3", (-3, 0)), ("1E+3", (1000, 0)), ("0.0", (0, 1))]
)
def test_a_number_as_a_whole_one(text: str, number: tuple[int, int]) -> None:
    """Digits and places."""
    assert whole(Decimal(text)) == number
