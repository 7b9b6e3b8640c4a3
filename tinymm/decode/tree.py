"""The tree that a beam search grows: every hypothesis that it kept, with the one it grew out of, for a drawing."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .beam import explore


class Node(NamedTuple):
    """A hypothesis that the beam held: the words from the root of the tree to here.

    Args:
        step: how many words it has, ``end`` included; 0 for the root.
        parent: the place in the list of the hypothesis it grew out of; None for the root.
        word: its last word's id; ``start`` for the root, ``end``, if there is one, for a completed sentence.
        log_prob: the sum of its words' natural log-probabilities.
        score: for a completed sentence log_prob / step**length_penalty, by which it is ranked; for the others
            log_prob / max_length**length_penalty, the most that a sentence grown out of it can score.
        finished: whether it is a completed sentence.
    """

    step: int
    parent: int | None
    word: int
    log_prob: float
    score: float
    finished: bool


def beam_tree(step: Callable, state, *, start: int, end: int | None, max_length: int, beam_size: int = 5,
              length_penalty: float = 0.0, n_best: int | None = None) -> list[Node]:
    """What ``beam_search`` meets on its way for one image: its own search, told in full.

    The nodes that are finished, sorted by descending score (Python's sort keeps the order of equal ones), begin with the
    finished sentences of ``beam_search(..., n_best=n_best)``; where ``n_best`` is ``beam_size``, they are these sentences.
    Proposals that fell out of the beam at once are no nodes, nor are completed sentences that others pushed out, nor what
    was live when nothing could win any more.

    Args:
        step: the model, ``step(tokens, state) -> (log_probs, state)``; see ``tinymm.decode``.
        state: the state before the first word, one row.
        start: the id that the first step is given.
        end: the id of the word that ends a sentence; None for sentences of exactly ``max_length`` tokens.
        max_length: the most tokens in a sentence, ``end`` included and ``start`` not.
        beam_size: live hypotheses.
        length_penalty: the power of the length; 0 ranks by log-probability.
        n_best: the search stops when its best ``n_best`` sentences are certain (default: ``beam_size``).

    Returns:
        The root, then step by step the completed sentences and the live hypotheses, each best first.

    Raises:
        ValueError, TypeError: as ``beam_search``.
    """
    trace, completed, _ = explore("beam_tree", step, state, 1, start, end, max_length, beam_size, length_penalty,
                                  beam_size if n_best is None else n_best)
    kept = [c for c in completed[0] if c["step"] > 0]
    nodes = [Node(0, None, start, 0.0, 0.0, False)]
    above = range(1)   # the places of the live hypotheses of the step before
    last = -1 if end is None else end
    for length, (parents, words, log_probs) in enumerate(trace, 1):
        nodes += [Node(length, above[c["row"]], last, float(c["log_prob"]), float(c["score"]), True)
                  for c in kept if c["step"] == length]
        whole = end is None and length == max_length
        live = [Node(length, above[row], int(word), float(log_prob), float(log_prob) / max_length**length_penalty, whole)
                for row, word, log_prob in zip(parents, words, log_probs)]
        above = range(len(nodes), len(nodes) + len(live))
        nodes += live
    return nodes
