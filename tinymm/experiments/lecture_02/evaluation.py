"""What lecture 2 measures: how likely and how good sentences are, how new, how far they carry, and which words are alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...autograd import Tensor, no_grad
from ...data.worlds.sprites import COLOURS
from ...metrics import caption_scores, leave_one_out, perplexity_of_corpus
from ...models.caption_likelihood import caption_log_prob
from ...text import SPECIALS, Vocabulary
from ..captioning.pairs import CaptionPairs
from ..captioning.parts import Part
from ..captioning.captioner import Captioner
from .truth import LEVELS, SHAPE_OF, level, says_novel

BEAM = 20                # k of the slide
BEAMS = (1, 2, 3, 5, 10, 20)
N_BEST = 15              # sentences a picture in the paper's look at novelty
NEIGHBOURS = 5           # of the slide's table
FEW = 3                  # of criterion L2-C8
MANY_DIGITS = 3          # things in a scene from which attention should pay (criterion L4-C9)


def nats(captioner: Captioner, vocabulary: Vocabulary, part: Part, annotations: np.ndarray | None = None,
         batch: int = 256) -> tuple[float, int]:
    """-log p of all captions of a part, in nats, and how many words they have, their ends included."""
    a = captioner.annotate(part) if annotations is None else annotations
    pairs, device = CaptionPairs(part.captions, vocabulary, captioner.first), next(captioner.parameters()).device
    captioner.eval()
    spent = 0.0
    with no_grad():
        for start in range(0, len(pairs), batch):
            pictures, y, targets = pairs.batch(range(start, min(start + batch, len(pairs))))
            logits = captioner.decoder(Tensor(a[pictures]).to(device), y.to(device))
            spent -= float(caption_log_prob(logits, targets.to(device)).sum())
    return spent, int(pairs.lengths.sum())


def unigram_entropy(vocabulary: Vocabulary) -> float:
    """Of the words of the training captions, in nats: what a model pays that knows only how frequent each word is."""
    p = vocabulary.counts[vocabulary.counts > 0] / vocabulary.counts.sum()
    return float(-(p * np.log(p)).sum())


# ---------------------------------------------------------------------- words

def neighbours(vectors: np.ndarray, vocabulary: Vocabulary, word: str, count: int = NEIGHBOURS) -> list[str]:
    """The words whose vectors have the largest cosine with a word's; special words are left out.

    Args:
        vectors: W_e, (|V|, D).
    """
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    cosine = units @ units[vocabulary[word]]
    cosine[[*range(len(SPECIALS)), vocabulary[word]]] = -np.inf
    return [vocabulary.words[i] for i in np.argsort(-cosine, kind="stable")[:count]]


def precision(vectors: np.ndarray, vocabulary: Vocabulary, kind: Sequence[str], count: int = FEW) -> float:
    """The share of words of the same kind among each word's nearest ones."""
    kind = [word for word in kind if word in vocabulary]
    return float(np.mean([[n in kind for n in neighbours(vectors, vocabulary, word, count)] for word in kind]))


# ---------------------------------------------------------------------- sentences

def sentences_of(captioner: Captioner, vocabulary: Vocabulary, annotations: np.ndarray, beam: int) -> list[tuple[str, ...]]:
    """The best sentence for each picture."""
    return [tuple(vocabulary.decode(best.tokens)) for best, *_ in captioner.search(annotations, beam)]


def levels(sentences: Sequence[Sequence[str]], part: Part) -> dict[str, float]:
    """The share of each level among sentences about scenes of sprites."""
    found = [level(words, scene.sprites) for words, scene in zip(sentences, part.scenes)]
    return {name: found.count(name) / len(found) for name in LEVELS}


class Evaluation:
    """All of it, for a trained ``experiment``.

    Attributes:
        metrics: plain data for ``report.json``.
        sentences: part -> the best sentence of the beam for each picture.
        annotations: part -> what the encoder says of its pictures.
    """

    def __init__(self, experiment):
        self.beam, self.captioner, self.vocabulary = BEAM, experiment.captioner, experiment.vocabulary
        parts = {name: part for name, part in experiment.parts.items() if name not in ("train", "validation")}
        self.annotations = {name: self.captioner.annotate(part) for name, part in parts.items()}
        test, training = parts["test"], experiment.trainer.history["nats a word"]
        spent, words = nats(self.captioner, self.vocabulary, test, self.annotations["test"])
        self.sentences = {name: sentences_of(self.captioner, self.vocabulary, a, self.beam) for name, a in self.annotations.items()}
        self.metrics = {
            "loss": {"untrained nats a word": experiment.untrained, "last nats a word": float(np.mean(training[-50:])),
                     "test nats a word": spent / words, "test perplexity": perplexity_of_corpus(-spent, words),
                     "entropy of the words": unigram_entropy(self.vocabulary)},
            "parameters": sum(p.numel() for p in self.captioner.parameters()), "vocabulary": len(self.vocabulary),
            "captions": {name: caption_scores(self.sentences[name], part.captions) for name, part in parts.items()},
            "people": {name: leave_one_out(part.captions) if min(map(len, part.captions)) > 1 else None
                       for name, part in parts.items()},
            "beams": self._beams(test), "novelty": self._novelty(experiment, parts)}
        if experiment.variant == "digits":
            self._digits(experiment, test)
        elif experiment.data is None:
            self._sprites(experiment, parts)

    def _beams(self, part: Part) -> dict:
        """For each width of the beam: BLEU-4, the mean log-probability, and for how many pictures it fell as k grew."""
        found, before = {}, None
        for k in BEAMS:
            best = [h for h, *_ in self.captioner.search(self.annotations["test"], k)]
            log_prob = np.array([h.log_prob for h in best])
            scores = caption_scores([tuple(self.vocabulary.decode(h.tokens)) for h in best], part.captions)
            found[str(k)] = {"BLEU-4": scores["BLEU-4"], "log p": float(log_prob.mean()), "worse than a smaller beam":
                             0.0 if before is None else float((log_prob < before - 1e-5).mean())}
            before = log_prob
        return found

    def _novelty(self, experiment, parts: dict[str, Part]) -> dict:
        """Shares of sentences that no training picture has, among the best and among the 15 best; and a list of 15."""
        known = {tuple(words) for words in experiment.parts["train"].tokens()}
        found = {}
        for name, part in parts.items():
            lists = [[(tuple(self.vocabulary.decode(h.tokens)), h.log_prob) for h in hypotheses] for hypotheses in
                     self.captioner.search(self.annotations[name], self.beam, N_BEST)]
            new = [[words not in known for words, _ in of_picture] for of_picture in lists]
            found[name] = {"best": float(np.mean([n[0] for n in new])),
                           f"{N_BEST} best": float(np.mean([x for n in new for x in n]))}
            shown = max(range(len(lists)), key=lambda i: (sum(new[i][:3]), -i)) if name in ("novel", "test") else None
            if shown is not None:
                found[name]["example"] = {"picture": shown, "sentences": [[" ".join(w), log_p, n] for (w, log_p), n in
                                                                          zip(lists[shown], new[shown])]}
        return found

    def _sprites(self, experiment, parts: dict[str, Part]) -> None:
        known = {tuple(words) for words in experiment.parts["train"].tokens()}
        vectors = self.captioner.decoder.W_e.weight.detach().cpu().numpy()
        self.metrics["encoder accuracy"] = experiment.scene_trainer.history["accuracy"][-1]
        self.metrics["levels"] = {name: levels(self.sentences[name], part) for name, part in parts.items()}
        self.metrics["correct novel captions"] = sum(
            words not in known and says_novel(words) and level(words, scene.sprites) == LEVELS[0]
            for words, scene in zip(self.sentences["novel"], parts["novel"].scenes))
        self.metrics["neighbours"] = {
            "table": {word: neighbours(vectors, self.vocabulary, word) for word in
                      ("red", "blue", "circle", "star", "small", "above") if word in self.vocabulary},
            f"colours, precision at {FEW}": precision(vectors, self.vocabulary, list(COLOURS)),
            f"shapes, precision at {FEW}": precision(vectors, self.vocabulary, list(SHAPE_OF))}
        other = self.sentences["sketch"][1:] + self.sentences["sketch"][:1]   # each picture with its neighbour's sentence
        self.metrics["sketches, sentences of other pictures"] = caption_scores(other, parts["sketch"].captions)
        if experiment.noisy is not None:
            self._sizes(experiment, parts["test"])
            self._noisy(experiment)

    def _sizes(self, experiment, test: Part) -> None:
        """The learning curve over the number of training scenes, at the same number of steps."""
        self.metrics["sizes"] = {}
        for count, captioner in [*experiment.smaller.items(), (experiment.size.train, self.captioner)]:
            scores = caption_scores(sentences_of(captioner, self.vocabulary, self.annotations["test"], self.beam), test.captions)
            spent, words = nats(captioner, self.vocabulary, test, self.annotations["test"])
            self.metrics["sizes"][str(count)] = {"BLEU-1": scores["BLEU-1"], "BLEU-4": scores["BLEU-4"],
                                                 "test nats a word": spent / words}

    def _noisy(self, experiment) -> None:
        """Trained on one sentence a picture, half of them about something else, and tested on the same kind."""
        captioner, part = experiment.noisy_captioner, experiment.noisy["test"]
        said = sentences_of(captioner, captioner.vocabulary, captioner.annotate(part), self.beam)
        self.metrics["noisy"] = {"one noisy sentence": caption_scores(said, part.captions),
                                 "five sentences of people": caption_scores(said, experiment.noisy["test_people"].captions)}

    def _digits(self, experiment, test: Part) -> None:
        """Criterion L4-C9: attention against one vector, on scenes with three digits and on all."""
        many = [i for i, scene in enumerate(test.scenes) if len(scene.digits) >= MANY_DIGITS]
        systems = {"soft attention": experiment.attention, "one vector": self.captioner, "one vector, encoder taught scenes":
                   experiment.taught}
        self.metrics["encoder accuracy"] = experiment.scene_trainer.history["accuracy"][-1]
        self.metrics["against attention"] = {}
        for name, captioner in systems.items():
            said = sentences_of(captioner, self.vocabulary, captioner.annotate(test), self.beam)
            self.metrics["against attention"][name] = {
                "all scenes": caption_scores(said, test.captions)["BLEU-4"],
                "three digits": caption_scores([said[i] for i in many], [test.captions[i] for i in many])["BLEU-4"]}
