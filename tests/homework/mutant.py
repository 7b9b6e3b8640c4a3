"""A mistake planted in the solution of an exercise; the tables of them are mutants_NN.py."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A solution with a mistake.

    Attributes:
        name: of the mistake.
        broken: function -> a part of what the checker must say of it; every other function must pass.
        changes: (old, new) pairs; each old text occurs once.
        verdict: of each broken function; None where they differ.
    """

    name: str
    broken: dict[str, str]
    changes: tuple[tuple[str, str], ...]
    verdict: str | None = "wrong"


def mutant(name: str, function: str | dict[str, str], says: str, *changes: tuple[str, str],
           verdict: str | None = "wrong") -> Mutant:
    """A Mutant, mostly of one function, of which the checker must say ``says``."""
    return Mutant(name, function if isinstance(function, dict) else {function: says}, changes, verdict)
