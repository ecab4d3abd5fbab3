"""Each safeguard of the scripts is missed when it is gone: a test fails."""

from __future__ import annotations

import pytest

from tests.faults.mutants import MUTANTS, Mutant, copy, failures

# The tests that are run on each mutant need them.
pytestmark = [pytest.mark.postgres, pytest.mark.valkey]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_mutant_is_killed(mutant: Mutant) -> None:
    """Without the safeguard the tests that guard it are red."""
    with copy(mutant) as root:
        red = failures(root, mutant.killers, processes=0)
    missed = [killer for killer in mutant.killers if not any(test.startswith(killer) for test in red)]
    assert not missed, f"without {mutant.name}, {missed} still pass"


def test_the_killers_are_green_without_a_mutant() -> None:
    """They fail for the mutant's sake, not because the copy does not work."""
    with copy(None) as root:
        assert failures(root, [killer for mutant in MUTANTS for killer in mutant.killers], processes=0) == []
