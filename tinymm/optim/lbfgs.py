"""Limited-memory BFGS (Nocedal and Wright 2006, algorithm 7.5), for small deterministic problems."""

from __future__ import annotations

import numpy as np

from ..autograd import Tensor, enable_grad
from .line_search import strong_wolfe
from .optimizer import Optimizer, check


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

    def __init__(self, params, lr: float = 1, max_iter: int = 20, max_eval: int | None = None,
                 tolerance_grad: float = 1e-7, tolerance_change: float = 1e-9, history_size: int = 100,
                 line_search_fn: str | None = None):
        check("LBFGS", lr=(lr, 0, None))
        if line_search_fn not in (None, "strong_wolfe"):
            raise ValueError(f"LBFGS: line_search_fn={line_search_fn!r}; choose None or 'strong_wolfe'")
        super().__init__(params, dict(lr=lr, max_iter=max_iter, max_eval=max_iter * 5 // 4 if max_eval is None else max_eval,
                                      tolerance_grad=tolerance_grad, tolerance_change=tolerance_change,
                                      history_size=history_size, line_search_fn=line_search_fn))
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS: has one curvature for all, so it takes one parameter group")
        self._params = self.param_groups[0]["params"]

    def _flat_grad(self):
        return np.concatenate([np.zeros(p.numel(), p.dtype) if p.grad is None else p.grad._data.reshape(-1)
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
        with enable_grad():
            loss = float(closure())
        g = self._flat_grad()
        for p, before in zip(self._params, origin):
            p._data[...] = before
            p._bump("LBFGS.step")
        return loss, g

    @staticmethod
    def _two_loops(g, history: dict):
        """-H g by the two-loop recursion."""
        pairs = list(zip(history["s"], history["y"], history["rho"]))
        q, alphas = -g, []
        for s, y, rho in reversed(pairs):
            alphas.append(rho * np.dot(s, q))
            q = q - alphas[-1] * y
        d = q * history["scale"]
        for (s, y, rho), alpha in zip(pairs, reversed(alphas)):
            d = d + (alpha - rho * np.dot(y, d)) * s
        return d

    def step(self, closure=None):
        """Minimise for up to ``max_iter`` iterations.

        Args:
            closure: clears the gradients, computes the loss, calls backward and returns the loss.

        Returns:
            The loss at the start.
        """
        if closure is None:
            raise ValueError("LBFGS.step: needs a closure that clears gradients, computes the loss and calls backward")
        group = self.param_groups[0]
        lr, tolerance = group["lr"], group["tolerance_change"]
        memory = self.state.setdefault(self._params[0], {"func_evals": 0, "n_iter": 0})
        with enable_grad():
            first = closure()
        loss, g, evaluations = float(first), self._flat_grad(), 1
        memory["func_evals"] += 1
        if np.abs(g).max() <= group["tolerance_grad"]:
            return first
        d, t, before = memory.get("d"), memory.get("t"), memory.get("prev_flat_grad")
        d, before = (v._data if isinstance(v, Tensor) else v for v in (d, before))
        history = memory.setdefault("history", {"s": [], "y": [], "rho": [], "scale": 1.0})
        for iteration in range(1, group["max_iter"] + 1):
            memory["n_iter"] += 1
            if memory["n_iter"] == 1:
                d = -g
            else:
                y, s = g - before, d * t
                curvature = np.dot(y, s)
                if curvature > 1e-10:
                    if len(history["s"]) == group["history_size"]:
                        for key in ("s", "y", "rho"):
                            history[key].pop(0)
                    history["s"].append(s)
                    history["y"].append(y)
                    history["rho"].append(1 / curvature)
                    history["scale"] = curvature / np.dot(y, y)
                d = self._two_loops(g, history)
            before, loss_before = g.copy(), loss
            t = min(1.0, 1.0 / np.abs(g).sum()) * lr if memory["n_iter"] == 1 else lr
            slope = np.dot(g, d)
            if slope > -tolerance:
                break
            if group["line_search_fn"] == "strong_wolfe":
                origin = [p._data.copy() for p in self._params]
                loss, g, t, used = strong_wolfe(lambda step: self._evaluate_at(closure, origin, step, d), t, d, loss, g,
                                                slope)
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
        memory.update(d=d, t=t, prev_flat_grad=before)
        return first
