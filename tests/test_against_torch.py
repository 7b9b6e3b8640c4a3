"""Every registered operation against PyTorch: values, first and second derivatives in float64, values in float32."""

import numpy as np
import pytest

from tests.sampling import as_tensors, build, cases, cotangents, draws, outputs_of

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")
torch.backends.cuda.enable_flash_sdp(False)   # its fused attention (on the CPU, too) has no second derivative

JUDGED = cases(lambda operation: operation.torch is not None and not operation.random)


def resolve(path: str):
    found = torch
    for part in path.split("."):
        found = getattr(found, part)
    return found


def torch_outputs(result):
    if isinstance(result, torch.Tensor):
        return [result] if result.is_floating_point() else []
    if isinstance(result, (tuple, list)):
        return [t for part in result for t in torch_outputs(part)]
    return []


def both(operation, index):
    sample = draws(operation)[index]
    args, kwargs, ours = as_tensors(sample)
    t_args, t_kwargs, theirs = build(sample, lambda a: torch.tensor(a, requires_grad=True), torch.tensor)
    return (outputs_of(operation.function(*args, **kwargs)), ours,
            torch_outputs(resolve(operation.torch)(*t_args, **t_kwargs)), theirs)


def close(got, want, rtol=1e-9, atol=1e-10):
    assert got.shape == tuple(want.shape)
    np.testing.assert_allclose(got.detach().numpy(), want.numpy(force=True), rtol=rtol, atol=atol)


@pytest.mark.parametrize("operation, index", JUDGED)
def test_values_and_derivatives(operation, index):
    import tinymm

    ours, inputs, theirs, t_inputs = both(operation, index)
    assert len(ours) == len(theirs)
    for got, want in zip(ours, theirs):
        close(got, want)
    pairs = [(o, t, c) for o, t, c in zip(ours, theirs, cotangents(ours)) if t.requires_grad]
    if not operation.differentiable or not pairs or not inputs:
        return
    second = operation.second
    first = tinymm.grad([o for o, _, _ in pairs], inputs, [tinymm.Tensor(c) for *_, c in pairs], create_graph=second,
                        allow_unused=True)
    t_first = torch.autograd.grad([t for _, t, _ in pairs], t_inputs, [torch.tensor(c) for *_, c in pairs],
                                  create_graph=second, allow_unused=True)
    for got, want, x in zip(first, t_first, inputs):
        if want is None:
            assert got is None or not got.detach().numpy().any()
        else:
            close(got if got is not None else tinymm.Tensor(np.zeros(x.shape)), want)
    if not second:
        return
    directions = cotangents(inputs, seed=3)
    ours_dot = [(g, tinymm.Tensor(d)) for g, d in zip(first, directions) if g is not None and g.requires_grad]
    theirs_dot = [(g, torch.tensor(d)) for g, d in zip(t_first, directions) if g is not None and g.requires_grad]
    if not theirs_dot:
        return
    t_second = torch.autograd.grad([g for g, _ in theirs_dot], t_inputs, [d for _, d in theirs_dot], allow_unused=True)
    if not ours_dot:
        assert all(w is None or not w.numpy().any() for w in t_second)
        return
    second_grads = tinymm.grad([g for g, _ in ours_dot], inputs, [d for _, d in ours_dot], allow_unused=True)
    for got, want, x in zip(second_grads, t_second, inputs):
        want = torch.zeros(x.shape, dtype=torch.float64) if want is None else want
        close(got if got is not None else tinymm.Tensor(np.zeros(x.shape)), want, rtol=1e-7, atol=1e-8)
