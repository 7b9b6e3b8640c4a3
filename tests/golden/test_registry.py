"""Every operation against the numbers that PyTorch gave for the same samples (registry.json)."""

import json
import pathlib

import pytest

from tests.golden.projections import agree, project
from tests.sampling import OPERATIONS, draws, run

GOLDEN = json.loads(pathlib.Path(__file__).with_name("registry.json").read_text())
NAMES = sorted(name for name, o in OPERATIONS.items() if o.torch is not None and not o.random)


def test_the_file_covers_the_registry():
    assert set(GOLDEN) - {"torch"} == set(NAMES), "run python -m tests.golden.make_registry"


@pytest.mark.parametrize("operation", [OPERATIONS[name] for name in NAMES], ids=lambda o: o.name)
def test_values_and_gradients_are_pytorchs(operation):
    samples = draws(operation)
    assert len(samples) == len(GOLDEN[operation.name]), "the samples changed: run python -m tests.golden.make_registry"
    for sample, want in zip(samples, GOLDEN[operation.name]):
        values, gradients = run(operation, sample)
        assert len(values) == len(want["outputs"])
        for got, expected in zip(values, want["outputs"]):
            assert agree(project(got), expected, 1e-11), sample
        for got, expected in zip(gradients, want.get("gradients", [])):
            assert agree(project(got), expected, 1e-10), sample
