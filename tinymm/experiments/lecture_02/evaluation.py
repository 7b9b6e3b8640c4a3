"""What lecture 2 measures: how likely and how good sentences are, how new, how far they carry, and which words are alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from ...data.worlds.sprites import COLOURS
from ...metrics import caption_scores, leave_one_out, perplexity_of_corpus
from ...text import SPECIALS, Vocabulary
from .. import experiment as protocol
from ..captioning.captioner import Captioner
from ..captioning.lecture import Material
from ..captioning.likelihood import nats, unigram_entropy
from ..captioning.parts import Part
from .data import Worlds
from .systems import Trained
from .truth import LEVELS, SHAPE_OF, level, says_novel

BEAM = 20                # k of the slide
BEAMS = (1, 2, 3, 5, 10, 20)
N_BEST = 15              # sentences a picture in the paper's look at novelty
NEIGHBOURS = 5           # of the slide's table
FEW = 3                  # nearest words, of which a share should be of the same kind
MANY_DIGITS = 3          # things in a scene from which attention should pay


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


# ---------------------------------------------------------------------- all of it

@dataclasses.dataclass
class Measured(protocol.Measured):
    """What lecture 2 measures.

    Attributes:
        sentences: part -> the best sentence of the widest beam for each picture.
        annotations: part -> what the encoder says of its pictures.
    """

    sentences: dict[str, list[tuple[str, ...]]]
    annotations: dict[str, np.ndarray]


def evaluate(trained: Trained, worlds: Worlds) -> Measured:
    """All of it, on every part but those for training."""
    captioner, vocabulary, test = trained.captioner, worlds.vocabulary, worlds.parts["test"]
    parts = {name: part for name, part in worlds.parts.items() if name not in ("train", "validation")}
    annotations, training = {name: captioner.annotate(part) for name, part in parts.items()}, trained.trainer.history["nats a word"]
    spent, words = nats(captioner, vocabulary, test, annotations["test"])
    sentences = {name: sentences_of(captioner, vocabulary, a, BEAM) for name, a in annotations.items()}
    known = {tuple(said) for said in worlds.parts["train"].tokens()}
    metrics = {
        "loss": {"untrained nats a word": trained.untrained, "last nats a word": float(np.mean(training[-50:])),
                 "test nats a word": spent / words, "test perplexity": perplexity_of_corpus(-spent, words),
                 "entropy of the words": unigram_entropy(vocabulary)},
        "parameters": sum(p.numel() for p in captioner.parameters()), "vocabulary": len(vocabulary),
        "captions": {name: caption_scores(sentences[name], part.captions) for name, part in parts.items()},
        "people": {name: leave_one_out(part.captions) if min(map(len, part.captions)) > 1 else None
                   for name, part in parts.items()},
        "beams": beams(captioner, vocabulary, test, annotations["test"]),
        "novelty": {name: novelty(captioner, vocabulary, a, known, example=name in ("novel", "test"))
                    for name, a in annotations.items()}}
    if trained.scene_trainer is not None:
        metrics["encoder accuracy"] = trained.scene_trainer.history["accuracy"][-1]
    if trained.rivals is not None:
        systems: dict[str, Captioner] = {"soft attention": trained.rivals.attention, "one vector": captioner,
                                         "one vector, encoder taught scenes": trained.rivals.taught}
        metrics["against attention"] = against_attention(systems, vocabulary, test)
    elif trained.scene_trainer is not None:
        metrics |= sprites(captioner, vocabulary, parts, sentences, known)
    if trained.smaller:
        captioners = {**trained.smaller, len(worlds.parts["train"]): captioner}
        metrics["sizes"] = sizes(captioners, vocabulary, test, annotations["test"])
    if trained.noisy is not None and worlds.noisy is not None:
        metrics["noisy"] = noisy(trained.noisy, worlds.noisy)
    return Measured(metrics, sentences, annotations)


def beams(captioner: Captioner, vocabulary: Vocabulary, part: Part, annotations: np.ndarray) -> dict:
    """For each width of the beam: BLEU-4, the mean log-probability, and for how many pictures it fell as k grew."""
    found, before = {}, None
    for k in BEAMS:
        best = [h for h, *_ in captioner.search(annotations, k)]
        log_prob = np.array([h.log_prob for h in best])
        scores = caption_scores([tuple(vocabulary.decode(h.tokens)) for h in best], part.captions)
        found[str(k)] = {"BLEU-4": scores["BLEU-4"], "log p": float(log_prob.mean()), "worse than a smaller beam":
                         0.0 if before is None else float((log_prob < before - 1e-5).mean())}
        before = log_prob
    return found


def novelty(captioner: Captioner, vocabulary: Vocabulary, annotations: np.ndarray, known: set[tuple[str, ...]],
            example: bool) -> dict:
    """Shares of sentences that no training picture has, among the best and among the 15 best.

    Args:
        annotations: of the pictures.
        known: the training captions.
        example: add the 15 sentences for one picture, with their log-probabilities.
    """
    lists = [[(tuple(vocabulary.decode(h.tokens)), h.log_prob) for h in hypotheses]
             for hypotheses in captioner.search(annotations, BEAM, N_BEST)]
    new = [[words not in known for words, _ in of_picture] for of_picture in lists]
    found: dict = {"best": float(np.mean([n[0] for n in new])), f"{N_BEST} best": float(np.mean([x for n in new for x in n]))}
    if example:
        shown = max(range(len(lists)), key=lambda i: (sum(new[i][:3]), -i))
        found["example"] = {"picture": shown,
                            "sentences": [[" ".join(w), log_p, n] for (w, log_p), n in zip(lists[shown], new[shown])]}
    return found


def sprites(captioner: Captioner, vocabulary: Vocabulary, parts: Mapping[str, Part],
            sentences: Mapping[str, list[tuple[str, ...]]], known: set[tuple[str, ...]]) -> dict:
    """What the truth about scenes of sprites allows: levels, right sentences about new pairs, words that are alike."""
    vectors = captioner.decoder.W_e.weight.detach().cpu().numpy()
    other = sentences["sketch"][1:] + sentences["sketch"][:1]   # each picture with its neighbour's sentence
    return {
        "levels": {name: levels(sentences[name], part) for name, part in parts.items()},
        "correct novel captions": sum(
            words not in known and says_novel(words) and level(words, scene.sprites) == LEVELS[0]
            for words, scene in zip(sentences["novel"], parts["novel"].scenes)),
        "neighbours": {
            "table": {word: neighbours(vectors, vocabulary, word) for word in
                      ("red", "blue", "circle", "star", "small", "above") if word in vocabulary},
            f"colours, precision at {FEW}": precision(vectors, vocabulary, list(COLOURS)),
            f"shapes, precision at {FEW}": precision(vectors, vocabulary, list(SHAPE_OF))},
        "sketches, sentences of other pictures": caption_scores(other, parts["sketch"].captions)}


def sizes(captioners: Mapping[int, Captioner], vocabulary: Vocabulary, test: Part, annotations: np.ndarray) -> dict:
    """The learning curve over the number of training scenes, at the same number of steps."""
    found = {}
    for count, captioner in captioners.items():
        scores = caption_scores(sentences_of(captioner, vocabulary, annotations, BEAM), test.captions)
        spent, words = nats(captioner, vocabulary, test, annotations)
        found[str(count)] = {"BLEU-1": scores["BLEU-1"], "BLEU-4": scores["BLEU-4"], "test nats a word": spent / words}
    return found


def noisy(captioner: Captioner, material: Material) -> dict:
    """Trained on one sentence a picture, half of them about something else, and tested on the same kind."""
    test = material.parts["test"]
    said = sentences_of(captioner, material.vocabulary, captioner.annotate(test), BEAM)
    return {"one noisy sentence": caption_scores(said, test.captions),
            "five sentences of people": caption_scores(said, material.parts["test_people"].captions)}


def against_attention(systems: Mapping[str, Captioner], vocabulary: Vocabulary, test: Part) -> dict:
    """Attention against one vector, on scenes with three digits and on all."""
    many = [i for i, scene in enumerate(test.scenes) if len(scene.digits) >= MANY_DIGITS]
    found = {}
    for name, captioner in systems.items():
        said = sentences_of(captioner, vocabulary, captioner.annotate(test), BEAM)
        found[name] = {
            "all scenes": caption_scores(said, test.captions)["BLEU-4"],
            "three digits": caption_scores([said[i] for i in many], [test.captions[i] for i in many])["BLEU-4"]}
    return found
