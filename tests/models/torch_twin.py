"""One model in tinymm and in PyTorch: the same weights, then equal results, gradients and running statistics."""

import numpy as np

from tinymm import Tensor, nn


def twins(ours: nn.Module, theirs, seed: int = 0):
    """Both in float64 with weights N(0, 0.3^2), so that none is inert; parameters and buffers are matched by their order.

    Args:
        ours: of tinymm.
        theirs: the torch module.
        seed: of the weights.

    Returns:
        ours and theirs.
    """
    import torch
    rng, theirs = np.random.default_rng(seed), theirs.double()
    ours.double()
    names, state = list(ours.state_dict()), theirs.state_dict()
    assert [tuple(ours.state_dict()[name].shape) for name in names] == [tuple(t.shape) for t in state.values()]
    values = [t.numpy() if name.endswith(("running_mean", "running_var", "batches_tracked"))
              else 0.3 * rng.standard_normal(t.shape) for name, t in state.items()]
    ours.load_state_dict({name: Tensor(value) for name, value in zip(names, values)})
    theirs.load_state_dict({name: torch.tensor(value) for name, value in zip(state, values)})
    return ours, theirs


def assert_equal(ours: nn.Module, theirs, *inputs: np.ndarray, tolerance: float = 1e-9):
    """Results, gradients of inputs and parameters, in training and then in evaluation by the statistics of that.

    Args:
        ours, theirs: of ``twins``.
        inputs: float64 arrays.
        tolerance: absolute, and relative to each array's largest number.
    """
    import torch
    for training in (True, False):
        ours.train(training), theirs.train(training)
        a, b = [Tensor(x, requires_grad=True) for x in inputs], [torch.tensor(x, requires_grad=True) for x in inputs]
        out, expected = ours(*a), theirs(*b)
        out, expected = (out if isinstance(out, tuple) else (out,)), (expected if isinstance(expected, tuple) else (expected,))
        weights = [np.random.default_rng(1).standard_normal(t.shape) for t in out]
        ours.zero_grad(), theirs.zero_grad()
        sum((t * Tensor(w)).sum() for t, w in zip(out, weights)).backward()
        sum((t * torch.tensor(w)).sum() for t, w in zip(expected, weights)).backward()
        leaves = zip([*a, *ours.parameters()], [*b, *theirs.parameters()])
        pairs = [*zip(out, expected), *((x.grad, y.grad) for x, y in leaves), *zip(ours.buffers(), theirs.buffers())]
        assert len(pairs) > 2 * len(inputs)
        for x, y in pairs:
            x, y = x.detach().numpy(), y.detach().numpy()
            np.testing.assert_allclose(x, y, rtol=0, atol=tolerance * max(1, np.abs(y).max()))
