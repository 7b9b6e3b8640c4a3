"""The tree of a beam search: its sentences are beam_search's, its nodes those of a search one hypothesis at a time."""

import functools

import numpy as np
import pytest

from tests.decode.models import START, TableModel
from tests.decode.test_beam import markov
from tinymm.decode import Hypothesis, Node, beam_search, beam_tree

KINDS = {"random": TableModel.random, "ties": TableModel.ties, "zeros": functools.partial(TableModel.random, zeros=.5)}


def words(nodes, node):
    """From the root to the node, the root's word left out and the end token kept."""
    path = []
    while node.parent is not None:
        path.append(node.word)
        node = nodes[node.parent]
    return tuple(reversed(path))


def sentences(nodes, max_length, n_best):
    """What the tree says that beam_search returns."""
    ranked = sorted((n for n in nodes if n.finished), key=lambda n: -n.score)
    ranked += [n for n in nodes if not n.finished and n.step == max_length]
    return [Hypothesis(words(nodes, n)[:n.step - n.finished], n.log_prob, n.score, n.finished) for n in ranked[:n_best]]


def naive(model, max_length, beam_size, length_penalty):
    """The rule one hypothesis at a time, as (live of each step, sentences kept), both as sets of words."""
    live, completed, levels = [((), 0.0)], [], []
    for length in range(1, max_length + 1):
        proposals = []
        for before, total in live:
            scores = model.next(0, before)
            for word in sorted(sorted(range(model.K), key=lambda w: (-scores[w], w))[:beam_size]):
                if scores[word] > -np.inf:
                    (completed if word == model.end else proposals).append((before + (word,), total + scores[word]))
        completed = sorted(completed, key=lambda c: -c[1] / len(c[0])**length_penalty)[:beam_size]
        live = sorted(proposals, key=lambda p: -p[1])[:beam_size]
        levels.append({w for w, _ in live})
        worst = completed[-1][1] / len(completed[-1][0])**length_penalty if len(completed) == beam_size else -np.inf
        if not live or live[0][1] / max_length**length_penalty <= worst:
            levels[-1] = set()   # nothing that could follow would be kept
            break
    return levels, {w for w, _ in completed}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("K", [2, 3, 5])
def test_same_as_beam_search(make, K):
    for seed in range(3):
        model = make(seed=seed, K=K, depth=5)
        for beam_size in (1, 2, 3, 4, 30):
            for length_penalty in (0.0, 0.7, 2.5):
                for max_length in (1, 3, 5):
                    options = dict(start=START, end=model.end, max_length=max_length, beam_size=beam_size,
                                   length_penalty=length_penalty)
                    for n_best in {1, 2, beam_size, None} if beam_size > 1 else {1, None}:
                        nodes = beam_tree(model.step, model.state(), n_best=n_best, **options)
                        calls = len(model.rows)
                        n_best = n_best or beam_size
                        found = beam_search(model.step, model.state(), 1, n_best=n_best, **options)[0]
                        assert sentences(nodes, max_length, n_best) == found
                        assert calls == len(model.rows) - calls   # and at the same cost
                        model.rows.clear()


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_nodes_are_what_the_rule_keeps(make):
    for seed in range(15):
        model = make(seed=seed, K=4, depth=5)
        for beam_size, length_penalty in ((1, 0.0), (2, 0.0), (3, 1.0), (5, 2.0), (64, 0.0)):
            nodes = beam_tree(model.step, model.state(), start=START, end=0, max_length=5, beam_size=beam_size,
                              length_penalty=length_penalty)
            assert nodes[0] == Node(0, None, START, 0.0, 0.0, False)
            levels, completed = naive(model, 5, beam_size, length_penalty)
            for length, level in enumerate(levels, 1):
                live = [words(nodes, n) for n in nodes if n.step == length and not n.finished]
                assert set(live) == level and len(live) == len(level)
            assert max(n.step for n in nodes) <= len(levels)
            assert {words(nodes, n) for n in nodes if n.finished} == completed
            for i, node in enumerate(nodes[1:], 1):
                path, parent = words(nodes, node), nodes[node.parent]
                assert node.parent < i and node.step == parent.step + 1 == len(path) and not parent.finished
                assert node.finished == (node.word == 0)
                given = model.next(0, path[:-1])[node.word]
                assert node.log_prob - parent.log_prob == pytest.approx(given, abs=1e-12)
                assert node.score == pytest.approx(node.log_prob / (node.step if node.finished else 5)**length_penalty, abs=1e-12)


@pytest.mark.parametrize("T", [2, 3, 4])
def test_a_beam_that_misses_nothing_gives_the_tree_of_all_sentences(T):
    """Every prefix of positive probability is a node, once; what the leaves add up to is 1."""
    for seed in range(5):
        model = TableModel.random(seed=seed, K=4, depth=T, zeros=.3)
        nodes = beam_tree(model.step, model.state(), start=START, end=0, max_length=T, beam_size=4**T)
        every = {(s + (0,) * finished)[:t] for s, _, finished in model.sentences(0, T) for t in range(T + 1)}
        found = [words(nodes, node) for node in nodes]
        assert len(found) == len(set(found)) and every <= set(found)
        leaves = [n for n in nodes if n.finished or n.step == T]
        assert sum(np.exp(n.log_prob) for n in leaves) == pytest.approx(1, abs=1e-10)


def test_the_published_table():
    nodes = beam_tree(markov, None, start=0, end=1, max_length=20, beam_size=2)
    assert [(words(nodes, n), round(float(np.exp(n.log_prob)), 12), n.finished) for n in nodes] == [
        ((), 1, False), ((4,), .4, False), ((3,), .3, False), ((4, 10), .16, False), ((3, 8), .15, False),
        ((4, 10, 1), .16, True), ((3, 8, 1), .15, True)]
    # for one sentence the search stops when that one is certain, at the same step here
    assert beam_tree(markov, None, start=0, end=1, max_length=20, beam_size=2, n_best=1) == nodes


def test_errors_name_the_function():
    with pytest.raises(ValueError, match="beam_tree: beam_size=0 must be a positive integer"):
        beam_tree(markov, None, start=0, end=1, max_length=3, beam_size=0)
    with pytest.raises(ValueError, match="beam_tree: n_best=3 must be at most beam_size=2"):
        beam_tree(markov, None, start=0, end=1, max_length=3, beam_size=2, n_best=3)
    with pytest.raises(ValueError, match=r"beam_tree: state has shape \(2,\), but there are 1 hypotheses"):
        beam_tree(markov, np.zeros(2), start=0, end=1, max_length=3)
