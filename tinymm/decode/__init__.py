"""Floor 4: sentences from a model that gives the next word's distribution: greedy, beam search, sampling; words to regions.

A model is one function, ``step(tokens, state) -> (log_probs, state)``, batched over hypotheses:

* ``tokens``: NumPy int64 (N,), the word just chosen for each of N hypotheses, at first ``start``;
* ``state``: any nesting of tuples, lists and dicts of Tensors, arrays and None; axis 0 of each has length N;
* ``log_probs``: Tensor or array (N, K), the natural logarithms of the next word's probabilities; -inf is allowed.

The hypotheses of all images go through one call of ``step`` a word, under ``no_grad``. Images whose sentences are
ready drop out of the batch. ``max_length`` is the most tokens a sentence may have, its end token included and its
start token not: the most calls of ``step``. A sentence that reaches it without ``end`` is marked ``finished=False``.

With ``end=None`` no word ends a sentence: each has exactly ``max_length`` tokens, as the image tokens of DALL-E, all K words may be
chosen every time, and all sentences are ``finished``. There is one call of ``step`` a token, each given one token a hypothesis,
so the cost is linear in the tokens if that of ``step`` does not grow.
"""

from .beam import beam_search
from .chain import align, segments
from .greedy import greedy_search
from .hypothesis import Hypothesis
from .sampling import sample
from .state import take
from .tree import Node, beam_tree

__all__ = ["Hypothesis", "greedy_search", "beam_search", "sample", "take", "Node", "beam_tree", "align",
           "segments"]
