"""Small models that can be enumerated: each word's distribution depends on the image and on every word before it."""

import itertools

import numpy as np

from tinymm import Tensor, is_grad_enabled

START = 9   # not a word: the models have at most 6


class TableModel:
    """log p(word | image, all words before) from a table.

    ``step`` keeps the words so far in its state, twice: as an array and, deeper in the nesting, as a Tensor. It checks
    that both agree, that rows of one image differ, and notes how many rows each call had.

    Args:
        tables: for t = 0, 1, ... (images, K^t, K) log-probabilities; the middle axis is the history as a number to base K.
    """

    def __init__(self, tables, end=0):
        self.tables, self.end = tables, end
        self.images, _, self.K = tables[0].shape
        self.rows, self.distinct = [], True

    @classmethod
    def random(cls, seed, images=1, K=4, depth=4, zeros=0.0, concentration=1.0):
        rng = np.random.default_rng(seed)
        tables = []
        for t in range(depth):
            p = rng.gamma(concentration, size=(images, K**t, K))
            p[rng.random(p.shape) < zeros] = 0
            p[..., -1] += (p.sum(-1) == 0)   # at least one word is possible
            with np.errstate(divide="ignore"):
                tables.append(np.log(p / p.sum(-1, keepdims=True)))
        return cls(tables)

    @classmethod
    def ties(cls, seed, images=1, K=4, depth=4):
        """Scores of -1, -2 and -3: sums are exact, and most are equal to others."""
        rng = np.random.default_rng(seed)
        return cls([-rng.integers(1, 4, size=(images, K**t, K)).astype(float) for t in range(depth)])

    def state(self, images=None):
        images = np.arange(self.images) if images is None else np.asarray(images)
        empty = np.zeros((len(images), 0), dtype=np.int64)
        return {"image": images, "words": (empty, [Tensor(empty), None])}

    def step(self, tokens, state):
        assert not is_grad_enabled() and tokens.dtype == np.int64
        image, (words, (again, nothing)) = state["image"], state["words"]
        assert isinstance(again, Tensor) and nothing is None
        if state.get("begun") is None:
            assert (tokens == START).all() and words.shape == (len(tokens), 0)
        else:
            words = np.concatenate([words, tokens[:, None]], axis=1)
            again = Tensor(np.concatenate([again.numpy(), tokens[:, None]], axis=1))
        np.testing.assert_array_equal(words, again.numpy())
        assert (words != self.end).all()
        if self.distinct:
            assert len({(int(i), *w) for i, w in zip(image, words.tolist())}) == len(tokens)
        self.rows.append(len(tokens))
        code = np.zeros(len(tokens), dtype=np.int64)
        for column in words.T:
            code = code * self.K + column
        return self.tables[words.shape[1]][image, code], {"image": image, "words": (words, [again, None]), "begun": image}

    def next(self, image, words):
        """The (K,) log-probabilities after ``words``."""
        code = 0
        for word in words:
            code = code * self.K + word
        return self.tables[len(words)][image, code]

    def log_prob(self, image, hypothesis):
        """The chain rule, for a Hypothesis."""
        words = hypothesis.tokens + (self.end,) * hypothesis.finished
        return sum(self.next(image, words[:t])[word] for t, word in enumerate(words))

    def sentences(self, image, max_length):
        """Every (words, log_prob, finished) of positive probability with at most ``max_length`` tokens, by enumeration."""
        others = [w for w in range(self.K) if w != self.end]
        for n in range(max_length + 1):
            for words in itertools.product(others, repeat=n):
                total = sum(self.next(image, words[:t])[word] for t, word in enumerate(words))
                finished = n < max_length
                total = total + self.next(image, words)[self.end] if finished else total
                if total > -np.inf:
                    yield words, total, finished

    def best(self, image, max_length, length_penalty=0.0):
        """All sentences as a beam that misses none ranks them: finished ones first, then by score."""
        scored = [(words, total, total / (len(words) + finished)**length_penalty, finished)
                  for words, total, finished in self.sentences(image, max_length)]
        return sorted(scored, key=lambda s: (not s[3], -s[2]))


def naive_beam(model, image, max_length, beam_size, length_penalty=0.0, n_best=1):
    """The rule of ``beam_search`` one hypothesis at a time, without stopping early."""
    live, completed = [((), 0.0)], []
    for length in range(1, max_length + 1):
        proposals = []
        for words, total in live:
            scores = model.next(image, words)
            for word in sorted(sorted(range(model.K), key=lambda w: (-scores[w], w))[:beam_size]):
                reached = total + scores[word]
                if reached == -np.inf:
                    continue
                if word == model.end:
                    completed.append((words, reached, reached / length**length_penalty, True))
                else:
                    proposals.append((words + (word,), reached))
        completed = sorted(completed, key=lambda c: -c[2])[:beam_size]
        live = sorted(proposals, key=lambda p: -p[1])[:beam_size]
    unfinished = [(words, total, total / max_length**length_penalty, False) for words, total in live]
    return (completed + unfinished)[:n_best]


def same(found, expected):
    """Whether hypotheses are the expected (words, log_prob, score, finished), in this order."""
    assert [(h.tokens, h.finished) for h in found] == [(e[0], e[3]) for e in expected]
    np.testing.assert_allclose([(h.log_prob, h.score) for h in found], [e[1:3] for e in expected], rtol=0, atol=1e-12)
