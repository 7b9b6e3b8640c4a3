"""The registry is accepted, and the command line rejects a registered operation whose backward is broken."""

import json

import numpy as np
import pytest

from tests.sampling import OPERATIONS
from tinymm import Tensor, broadcast_to, flip, permute, sum
from tinymm.backend.jit import kernel_mode, use_kernels
from tinymm.cli import main
from tinymm.commands.gradcheck import Row, check_operation
from tinymm.ops.normalisation.layer_norm import LayerNorm

DIFFERENTIABLE = [o for o in OPERATIONS.values() if o.differentiable]


@pytest.mark.parametrize("operation", DIFFERENTIABLE, ids=lambda o: o.name)
def test_registered_operation_is_accepted(operation):
    with use_kernels("numpy"):   # the rungs are compared with one another, and in float32, in tests/ops
        row = check_operation(operation, seed=1)
    assert not row.failures, row.failures[0]


@pytest.mark.slow
@pytest.mark.parametrize("operation", DIFFERENTIABLE, ids=lambda o: o.name)
def test_registered_operation_is_accepted_over_twenty_seeds(operation):
    row = Row(operation.name)
    for seed in range(2, 22):
        check_operation(operation, seed, row)
    assert not row.failures, row.failures[0]


def node_of(function, *args):
    """The class of the graph node that an operation makes."""
    return type(function(Tensor(np.ones((2, 3)), requires_grad=True), *args).grad_fn)


def failures(name: str) -> str:
    return "\n".join(check_operation(OPERATIONS[name]).failures)


def test_layer_norm_without_the_mean_term(monkeypatch):
    def backward(self, g):
        g2 = g if self.weight is None else g * self.weight
        dx = self.rstd * (g2 - self.normed * (g2 * self.normed).mean(self.over, keepdims=True))
        return dx, (g * self.normed).sum(self.batch), g.sum(self.batch)

    monkeypatch.setattr(LayerNorm, "backward_numpy", backward)
    text = failures("layer_norm")
    assert "input[" in text and "NumPy rung" in text and "constant along axis 1" in text
    assert "weight[" not in text and "bias[" not in text


def test_layer_norm_with_a_zero_backward(monkeypatch):
    monkeypatch.setattr(LayerNorm, "backward_numpy", lambda self, g: (0 * g, (g * self.normed).sum(self.batch),
                                                                      g.sum(self.batch)))
    assert "zero everywhere" in failures("layer_norm")


def test_a_numba_kernel_that_is_wrong(monkeypatch):
    if kernel_mode() != "numba":
        pytest.skip("no Numba")
    right = LayerNorm.backward_numba

    def backward(self, g):
        dx, dw, db = right(self, g)
        return dx, None if dw is None else 2 * dw, db

    monkeypatch.setattr(LayerNorm, "backward_numba", backward)
    text = failures("layer_norm")
    assert "Numba rung: weight[" in text and "a constant factor: 2" in text and "NumPy rung" not in text


def test_a_kernel_that_is_wrong_in_float32_only(monkeypatch):
    right = LayerNorm.backward_numpy

    def backward(self, g):
        dx, dw, db = right(self, g)
        return dx * dx.dtype.type(1 + (1e-3 if dx.dtype == np.float32 else 0)), dw, db

    monkeypatch.setattr(LayerNorm, "backward_numpy", backward)
    text = failures("layer_norm")
    assert "numpy rung: in float32 the gradient of input[" in text and "units in the last place" in text


def test_a_definition_that_computes_something_else(monkeypatch):
    right = LayerNorm.definition
    monkeypatch.setattr(LayerNorm, "definition", staticmethod(lambda x, w, b, dims, eps: right(x, w, b, dims, 0.3)))
    text = failures("layer_norm")
    assert "second derivative" in text and "create_graph=True differs" in text


def test_a_second_derivative_that_is_cut_off(monkeypatch):
    right = LayerNorm.definition
    monkeypatch.setattr(LayerNorm, "definition",
                        staticmethod(lambda x, w, b, dims, eps: right(x, w if w is None else w.detach(), b, dims, eps)))
    assert "second derivative" in failures("layer_norm")


def test_primitives_that_are_wrong(monkeypatch):
    node, right = node_of(sum), node_of(sum).backward
    monkeypatch.setattr(node, "backward", lambda self, g: 2 * right(self, g))
    assert "a constant factor: 2" in failures("sum")
    monkeypatch.setattr(node_of(flip, 0), "backward", lambda self, g: g)
    assert "flip" in failures("flip")
    monkeypatch.setattr(node_of(broadcast_to, (4, 2, 3)), "backward", lambda self, g: g)
    assert "the sum over the broadcast" in failures("broadcast_to")
    monkeypatch.setattr(node_of(permute, 1, 0), "backward",
                        lambda self, g: g.reshape([g.shape[i] for i in self.inverse]))
    assert "permute" in failures("permute")


def test_an_operation_that_raises_fails_alone(monkeypatch, capsys):
    def raises(self, g):
        raise KeyError("lost")

    monkeypatch.setattr(node_of(flip, 0), "backward", raises)
    assert main(["gradcheck", "--op", "flip", "--op", "neg"]) == 1
    out = capsys.readouterr().out
    assert "KeyError" in out and "2 operations" in out and "1 failed" in out


def test_command_line(capsys, tmp_path):
    file = tmp_path / "out.json"
    assert main(["gradcheck", "--op", "layer_norm", "--seeds", "2", "--json", str(file)]) == 0
    out = capsys.readouterr().out
    assert "layer_norm" in out and "0 failed" in out
    row = json.loads(file.read_text())["operations"][0]
    assert row["samples"] == 12 and row["arguments"] == 3 and row["first"] < 1e-6 and row["second"] < 1e-5


def test_command_line_refuses(capsys):
    for wrong, message in ((["gradcheck"], "give --all"),
                           (["gradcheck", "--op", "nonsense"], "no operation named nonsense"),
                           (["nonsense"], "invalid choice"), ([], "required")):
        with pytest.raises(SystemExit) as info:
            main(wrong)
        assert info.value.code == 2 and message in capsys.readouterr().err
