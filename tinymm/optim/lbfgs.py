"""Limited-memory BFGS (Nocedal and Wright 2006, algorithm 7.5), for small deterministic problems."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import Tensor, enable_grad
from ..autograd.integers import integer
from ..backend.arrays import xp_of
from .line_search import strong_wolfe
from .optimizer import Optimizer, check_gradient, own_array
from .options import count


class LBFGS(Optimizer):
    """Quasi-Newton steps from the last ``history_size`` changes of the gradient; ``step`` needs a closure.

    Args:
        params: Tensors; one parameter group only.
        lr: step size (where no line search chooses it).
        max_iter: iterations a ``step``.
        max_eval: evaluations a ``step`` (default 1.25 max_iter).
        tolerance_grad: stop when no element of the gradient is larger.
        tolerance_change: stop when the loss or the parameters change less.
        history_size: pairs (s, y) that are kept.
        line_search_fn: None or "strong_wolfe".
    """

    LIMITS = {"lr": (0, None), "tolerance_grad": (0, None), "tolerance_change": (0, None)}

    def __init__(self, params, lr: float = 1, max_iter: int = 20, max_eval: int | None = None,
                 tolerance_grad: float = 1e-7, tolerance_change: float = 1e-9, history_size: int = 100,
                 line_search_fn: str | None = None):
        integer("LBFGS", "max_iter", max_iter, 0)
        integer("LBFGS", "history_size", history_size, 1)
        max_eval = max_iter * 5 // 4 if max_eval is None else integer("LBFGS", "max_eval", max_eval, 0)
        if line_search_fn not in (None, "strong_wolfe"):
            raise ValueError(f"LBFGS: line_search_fn={line_search_fn!r}; choose None or 'strong_wolfe'")
        super().__init__(params, dict(lr=lr, max_iter=max_iter, max_eval=max_eval, tolerance_grad=tolerance_grad,
                                      tolerance_change=tolerance_change, history_size=history_size,
                                      line_search_fn=line_search_fn))
        self._params = self.param_groups[0]["params"]

    def add_param_group(self, param_group):
        """Its one group; a second is refused."""
        if self.param_groups:
            raise ValueError("LBFGS: has one curvature for all, so it takes one parameter group")
        super().add_param_group(param_group)

    def _flat_grad(self):
        for p in self._params:
            if p.grad is not None:
                check_gradient("LBFGS.step", p._data, p.grad._data)
        return np.concatenate([xp_of(p._data).zeros(p.numel(), p.dtype) if p.grad is None else p.grad._data.reshape(-1)
                               for p in self._params])

    def _move(self, t: float, direction) -> None:
        start = 0
        for p in self._params:
            p._data += (t * direction[start:start + p.numel()]).reshape(p.shape).astype(p.dtype, copy=False)
            p._bump("LBFGS.step")
            start += p.numel()

    def _evaluate_at(self, closure, origin, t: float, direction):
        """Loss and gradient at origin + t * direction; the parameters return to ``origin``."""
        self._move(t, direction)
        try:
            with enable_grad():
                return float(closure()), self._flat_grad()
        finally:
            for p, before in zip(self._params, origin):
                p._data[...] = before
                p._bump("LBFGS.step")

    @staticmethod
    def _two_loops(g, memory: dict):
        """-H g by the two-loop recursion."""
        pairs = [(s._data, y._data, rho) for s, y, rho in zip(memory["old_stps"], memory["old_dirs"], memory["ro"])]
        q, alphas = -g, []
        for s, y, rho in reversed(pairs):
            alphas.append(rho * np.dot(s, q))
            q = q - alphas[-1] * y
        d = q * memory["H_diag"]
        for (s, y, rho), alpha in zip(pairs, reversed(alphas)):
            d = d + (alpha - rho * np.dot(y, d)) * s
        return d

    @staticmethod
    def _remember(s, y, memory: dict, history_size: int) -> None:
        """Add the pair (s, y) where the loss curves upwards between its ends."""
        curvature = np.dot(y, s)
        if curvature > 1e-10:
            for key, value in (("old_stps", Tensor(s)), ("old_dirs", Tensor(y)), ("ro", 1 / curvature)):
                if len(memory[key]) == history_size:
                    memory[key].pop(0)
                memory[key].append(value)
            memory["H_diag"] = curvature / np.dot(y, y)

    def step(self, closure=None):
        """Minimise for up to ``max_iter`` iterations.

        Args:
            closure: clears the gradients, computes the loss, calls backward and returns the loss.

        Returns:
            The loss at the start.

        Raises:
            TypeError: the closure returns no loss.
            ValueError: no closure, or a gradient that does not fit its parameter.
        """
        if closure is None:
            raise ValueError("LBFGS.step: needs a closure that clears gradients, computes the loss and calls backward")
        with np.errstate(all="ignore"):   # an overflow gives infinities and NaN, as in PyTorch
            return self._minimise(closure, self.param_groups[0])

    def _minimise(self, closure, group: dict):
        self.plain_rate(group)
        lr, tolerance = group["lr"], group["tolerance_change"]
        memory = self.state[self._params[0]]
        if not memory:
            memory.update(func_evals=0, n_iter=0)
        with enable_grad():
            first = closure()
        if first is None:
            raise TypeError("LBFGS.step: the closure returned None; it must return the loss")
        loss, g, evaluations = float(first), self._flat_grad(), 1
        memory["func_evals"] += 1
        if np.abs(g).max() <= group["tolerance_grad"]:
            return first
        d, t, before = g, lr, g   # until the first iteration says
        if "d" in memory:
            d, t, before = memory["d"]._data, memory["t"], memory["prev_flat_grad"]._data
            if not d.shape == before.shape == g.shape:
                raise ValueError(f"LBFGS.step: the state has directions of {d.size} numbers, the parameters have {g.size}")
        for iteration in range(1, group["max_iter"] + 1):
            memory["n_iter"] += 1
            if memory["n_iter"] == 1:
                d = -g
                memory.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            else:
                self._remember(d * t, g - before, memory, group["history_size"])
                d = self._two_loops(g, memory)
            before, loss_before = g.copy(), loss
            t = min(1.0, 1.0 / np.abs(g).sum()) * lr if memory["n_iter"] == 1 else lr
            memory.update(d=Tensor(d), t=float(t), prev_flat_grad=Tensor(before))   # whole, also where a closure raises
            slope = np.dot(g, d)
            if slope > -tolerance:
                break
            if group["line_search_fn"] == "strong_wolfe":
                origin = [p._data.copy() for p in self._params]
                loss, g, t, used = strong_wolfe(lambda step: self._evaluate_at(closure, origin, step, d), t, d, loss, g,
                                                slope, max_ls=group["max_eval"] - evaluations)
                memory["t"] = float(t)
                self._move(t, d)
            else:
                self._move(t, d)
                used = 0
                if iteration != group["max_iter"]:
                    with enable_grad():
                        loss = float(closure())
                    g, used = self._flat_grad(), 1
            evaluations += used
            memory["func_evals"] += used
            if iteration == group["max_iter"] or evaluations >= group["max_eval"] or \
                    np.abs(g).max() <= group["tolerance_grad"] or np.abs(d * t).max() <= tolerance or \
                    abs(loss - loss_before) < tolerance:
                break
        return first

    def own(self, where, p, values):
        """A checked copy of the saved state, which is about all parameters at once."""
        if not values:
            return {}
        counts, flat, lists = ("func_evals", "n_iter"), ("d", "prev_flat_grad"), ("old_dirs", "old_stps", "ro")
        begun, ignored = {*flat, *lists, "t", "H_diag"}, {"prev_loss", "al"}   # PyTorch's, not needed
        values = {name: value for name, value in values.items() if name not in ignored and value is not None}
        if set(values) not in ({*counts}, {*counts, *begun}):
            raise ValueError(f"{where}: its state has {sorted(map(str, values))}, but LBFGS keeps {sorted({*counts, *begun})}")
        found: dict[str, Any] = {name: count(where, name, values[name]) for name in counts}
        if "d" not in values:
            return found
        like = (sum(q.numel() for q in self._params),), np.result_type(*(q.dtype for q in self._params)), p.device
        for name in lists:
            if not isinstance(values[name], (list, tuple)) or len(values[name]) != len(values["ro"]):
                raise ValueError(f"{where}: {', '.join(lists)} must be lists of one length")
        found.update({name: own_array(where, name, values[name], *like) for name in flat})
        found.update({name: [own_array(where, name, v, *like) for v in values[name]] for name in lists[:2]})
        found.update(ro=[float(v) for v in values["ro"]], t=float(values["t"]), H_diag=float(values["H_diag"]))
        return found
