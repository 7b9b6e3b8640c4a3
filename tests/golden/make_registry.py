"""Write registry.json: what PyTorch computes for the samples of every registered operation it has, too.

    python -m tests.golden.make_registry

Values and first derivatives under random cotangents, in float64, as projections (see projections.py). The default test
run compares with this file, so that it needs no PyTorch.
"""

import json
import pathlib

import torch

from tests.golden.projections import project
from tests.sampling import OPERATIONS, build, cotangents, draws


def resolve(path: str):
    found = torch
    for part in path.split("."):
        found = getattr(found, part)
    return found


def outputs_of(result) -> list:
    if isinstance(result, torch.Tensor):
        return [result] if result.is_floating_point() else []
    return [t for part in result for t in outputs_of(part)] if isinstance(result, (tuple, list)) else []


def golden(operation, sample) -> dict:
    args, kwargs, inputs = build(sample, lambda a: torch.tensor(a, requires_grad=True), torch.tensor)
    outputs = outputs_of(resolve(operation.torch)(*args, **kwargs))
    found = {"outputs": [project(o.detach().numpy()) for o in outputs]}
    pairs = [(o, torch.tensor(c)) for o, c in zip(outputs, cotangents(outputs)) if o.requires_grad]
    if operation.differentiable and pairs and inputs:
        grads = torch.autograd.grad([o for o, _ in pairs], inputs, [c for _, c in pairs], allow_unused=True)
        found["gradients"] = [project(torch.zeros_like(i).detach().numpy() if g is None else g.numpy())
                              for g, i in zip(grads, inputs)]
    return found


if __name__ == "__main__":
    table = {name: [golden(operation, sample) for sample in draws(operation)] for name, operation in sorted(OPERATIONS.items())
             if operation.torch is not None and not operation.random}
    path = pathlib.Path(__file__).with_name("registry.json")
    lines = [f"{json.dumps(name)}: {json.dumps(entries)}" for name, entries in table.items()]
    path.write_text("{\n" + f'"torch": {json.dumps(torch.__version__)},\n' + ",\n".join(lines) + "\n}\n")
    print(f"{len(table)} operations, {path.stat().st_size / 1024:.0f} KiB")
