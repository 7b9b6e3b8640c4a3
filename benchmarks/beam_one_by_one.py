"""The works of `python -m tinymm bench --beam` by a beam search that expands one hypothesis after the other.

It is the search as one would write it first: a list of hypotheses, each with its words and its own state, a call of the model
for each, NumPy's selection of its likeliest words, and Python's sort. Its sentences are those of ``tinymm.decode.beam_search``.
"""

import numpy as np

from beam_together import PICTURES, SIZES, VERSION, model, wake   # noqa: F401 - VERSION and wake are read by the bench

from tinymm import Tensor, no_grad


def beam_search(step, state, *, start, end, max_length, beam_size, length_penalty=0.0, n_best=1):
    """The captions of one picture, (words, log_prob, score, finished) each; the arguments are those of tinymm's.

    Of equally likely words at the edge of a hypothesis's proposals NumPy decides which ones are in.
    """
    live, completed = [((), 0.0, start, state)], []   # words, log-probability, last word, state before it is read
    for length in range(1, max_length + 1):
        proposals = []
        for words, total, last, before in live:
            log_probs, after = step(np.array([last]), before)
            log_p = log_probs.numpy()[0]
            for word in likeliest(log_p, beam_size):
                reached = total + float(log_p[word])
                if word == end:
                    completed.append((words, reached, reached / length**length_penalty, True))
                elif reached > -np.inf:
                    proposals.append((words + (word,), reached, word, after))
        completed = sorted((c for c in completed if c[1] > -np.inf), key=lambda c: -c[2])[:beam_size]
        live = sorted(proposals, key=lambda p: -p[1])[:beam_size]
        if not live or len(completed) >= n_best and live[0][1] / max_length**length_penalty <= completed[n_best - 1][2]:
            return completed[:n_best]
    unfinished = [(words, total, total / max_length**length_penalty, False) for words, total, _, _ in live]
    return (completed + unfinished)[:n_best]


def likeliest(log_p, k):
    """The k likeliest words, lower ids first."""
    words = np.argpartition(log_p, -k)[-k:] if k < len(log_p) else np.arange(len(log_p))
    return np.sort(words).tolist()


def search(size, batch):
    """A step that finds the captions of the next of ``batch`` pictures: more at once make no difference here."""
    generator, pictures, rule = model(size)
    turn = iter(range(10**9))

    def step():
        i = next(turn) % batch
        with no_grad():
            return beam_search(generator.step, generator.start(Tensor(pictures[i:i + 1])), **rule)
    return step


WORKS = {f"{size}_{batch}": (lambda size=size, batch=batch: search(size, batch)) for size in SIZES for batch in (1, PICTURES)}
