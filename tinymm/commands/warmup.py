"""`python -m tinymm warmup`: compile every kernel now, so that no lesson waits for it later."""

from __future__ import annotations

import argparse
import time

from ..autograd.registry import Draw, Fixed
from ..autograd.tensor import Tensor
from ..backend.jit import KERNELS, force_parallel, kernel_mode, use_kernels
from ..backend.kernel_cache import cache_folder, counts
from ..catalog import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> int:
    if kernel_mode() != "numba":
        print("warmup: Numba is not installed or switched off (TINYMM_KERNELS); nothing to compile")
        return 0
    from tqdm.auto import tqdm

    start = time.perf_counter()
    fused = [operation for operation in load().values() if operation.fused is not None]
    for operation in tqdm(fused, disable=args.quiet, desc="compiling"):
        warm(operation)
    warm_optimisers()
    print(f"warmup: {len(KERNELS)} kernels ready in {time.perf_counter() - start:.1f} s; of their versions {counts['compiled']} "
          f"compiled now, {counts['read']} read")
    folder = cache_folder()
    if counts["not kept"] or folder is None:
        print(f"warmup: {counts['not kept']} of them are not kept for the next run; set TINYMM_CACHE_DIR to a folder with room")
        return 1 if counts["not kept"] else 0
    print(f"warmup: kept in {folder}")
    return 0


def warm(operation) -> None:
    """Run one operation's samples in both precisions, serial and parallel, forward and backward."""
    def tensor(value, dtype):
        if isinstance(value, Fixed):
            return Tensor(value.array.astype(dtype))
        if hasattr(value, "dtype"):
            float_ = value.dtype.kind == "f"
            return Tensor(value.astype(dtype) if float_ else value, requires_grad=float_)
        if isinstance(value, (list, tuple)):
            return type(value)(tensor(v, dtype) for v in value)
        return value

    for sample in operation.samples(Draw(0)):
        for dtype in ("float32", "float64"):
            for parallel in (False, True):
                with use_kernels("numba"), force_parallel(parallel):
                    out = operation.function(*(tensor(a, dtype) for a in sample.args),
                                             **{k: tensor(v, dtype) for k, v in sample.kwargs.items()})
                    for t in _tensors(out):
                        if t.requires_grad:
                            t.sum().backward(retain_graph=True)


def _tensors(value) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    return [t for part in value for t in _tensors(part)] if isinstance(value, (tuple, list)) else []


def warm_optimisers() -> None:
    """Compile the fused optimiser steps."""
    import numpy as np

    from .. import optim

    for dtype in ("float32", "float64"):
        for make in (lambda p: optim.SGD([p]), lambda p: optim.SGD([p], momentum=0.9), lambda p: optim.Adam([p])):
            for parallel in (False, True):
                p = Tensor(np.zeros(4, dtype), requires_grad=True)
                p.grad = Tensor(np.ones(4, dtype))
                with force_parallel(parallel):
                    make(p).step()
