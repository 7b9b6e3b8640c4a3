"""What an image token costs: with kept keys and values, and computed again from the caption on, in multiply-adds that are counted.

A step is counted while it runs: every product of matrices, linear map and attention adds what the shapes of its arguments take. So
what grows with the number of tokens cannot hide in a formula that forgot it. Seconds stand beside the counts.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ... import functional as F
from ...autograd import Tensor
from ...autograd.linalg import MatMul
from ...backend.random import Stream
from ...decode import sample
from ...models.dalle import DALLETransformer
from ...ops.attention.attention import Attention
from ...ops.linear import Linear

PRODUCTS: dict[Any, Callable[..., int]] = {   # operation -> multiply-adds from the shapes of its arguments
    Linear: lambda x, weight, *_: math.prod(x) * weight[0],
    MatMul: lambda a, b: math.prod(np.broadcast_shapes(a[:-2], b[:-2])) * (a[-2] if len(a) > 1 else 1) * math.prod(b[-2:]),
    Attention: lambda q, k, v, *_: math.prod(q[:-1]) * k[-2] * (k[-1] + v[-1])}


@contextlib.contextmanager
def multiply_adds() -> Iterator[list[int]]:
    """Count the multiply-adds of the forward products within: a list with one number for each."""
    found: list[int] = []

    def counting(operation: Any, count: Callable[..., int]) -> Callable:
        whole = operation.apply

        def apply(*args, **options):
            found.append(count(*(getattr(a, "shape", ()) for a in args)))
            return whole(*args, **options)

        return apply

    for operation, count in PRODUCTS.items():
        operation.apply = counting(operation, count)
    try:
        yield found
    finally:
        for operation in PRODUCTS:
            del operation.apply   # the base's appears again


def sampling_cost(model: DALLETransformer, text: Tensor, seed: int = 0) -> dict[str, list]:
    """Draw an image for each caption twice, with the cache and by computing all positions again for every token.

    The first token is left out of all lists: with the cache it comes with the reading of the caption.

    Args:
        model: in evaluation.
        text: (B, T) integers, PAD = -1 where there is no token.
        seed: of both drawings, which give the same tokens but for rounding.

    Returns:
        "cached" and "recomputed": multiply-adds of image tokens 2 to n, of one image; "cached seconds" and "recomputed seconds":
        of the step for all B images. "tokens", "recomputed tokens": what was drawn, a tuple of n for each image.
    """
    found: dict[str, list] = {}
    for way, step, state in (("cached", model.step, model.init_state(text)), ("recomputed", *recompute(model, text))):
        counts, seconds = found.setdefault(way, []), found.setdefault(f"{way} seconds", [])

        def watched(tokens, state, step=step, counts=counts, seconds=seconds):
            start = time.perf_counter()
            with multiply_adds() as products:
                result = step(tokens, state)
            seconds.append(time.perf_counter() - start)
            counts.append(sum(products) // len(text))
            return result

        images = sample(watched, state, len(text), start=0, end=None, max_length=model.image_length,
                        generator=Stream("sampling cost", seed))
        del counts[0], seconds[0]
        found["tokens" if way == "cached" else f"{way} tokens"] = [image.tokens for image in images]
    return found


def recompute(model: DALLETransformer, text: Tensor) -> tuple[Callable, dict]:
    """A step and a first state for ``decode`` without a cache: caption and tokens go through the model again for every token.

    Of the last map, only the last position's part is computed.
    """
    def step(tokens, state):
        image = state["image"]                                                # (N, tokens so far); None before the first step
        image = np.zeros((len(tokens), 0), np.int64) if image is None else np.concatenate([image, tokens[:, None]], axis=1)
        x = F.cat([model.embed_text(state["text"]), model.embed_image(Tensor(image))], 1)
        kinds = model.kinds if image.size else ["full"] * len(model.kinds)    # among text all are causal
        x = model.hidden(x, lambda i, q, k, v: model.attention(kinds[i], q, k, v))
        return model.image_head(x[:, -1]).log_softmax(-1), {"text": state["text"], "image": image}

    return step, {"text": text, "image": None}


def growth(costs: list) -> float:
    """The mean cost of the last quarter of the tokens, divided by that of the first quarter."""
    quarter = max(len(costs) // 4, 1)
    return float(np.mean(costs[-quarter:]) / np.mean(costs[:quarter]))
