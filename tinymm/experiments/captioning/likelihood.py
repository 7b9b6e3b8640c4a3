"""How likely a captioner finds the captions of people, in nats."""

from __future__ import annotations

import numpy as np

from ...autograd import Tensor
from ...models.caption_likelihood import caption_log_prob
from ...nn.chunks import in_chunks
from ...text import Vocabulary
from .captioner import Captioner
from .pairs import CaptionPairs
from .parts import Part


def nats(captioner: Captioner, vocabulary: Vocabulary, part: Part, annotations: np.ndarray | None = None,
         batch: int = 256) -> tuple[float, int]:
    """-log p of all captions of a part, in nats, and how many words they have, their ends included."""
    a = captioner.annotate(part) if annotations is None else annotations
    pairs, device = CaptionPairs(part.captions, vocabulary, captioner.first), next(captioner.parameters()).device
    captioner.eval()

    def log_prob(rows: range) -> float:
        pictures, y, targets = pairs.batch(rows)
        logits = captioner.decoder(Tensor(a[pictures]).to(device), y.to(device))
        return float(caption_log_prob(logits, targets.to(device)).sum())

    return -sum(in_chunks(log_prob, len(pairs), batch)), int(pairs.lengths.sum())


def unigram_entropy(vocabulary: Vocabulary) -> float:
    """Of the words of the training captions, in nats: what a model pays that knows only how frequent each word is."""
    counts = vocabulary.counts
    if counts is None:
        raise ValueError("unigram_entropy: the vocabulary has no counts; Vocabulary.build makes one that has")
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log(p)).sum())
