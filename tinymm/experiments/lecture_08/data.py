"""What lecture 8 reads: pictures with texts to train on, labelled datasets to be tested on, and prompts for their classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ...data.worlds.web_pictures import CANVAS, CLASSES, Attacked, Labelled, WebPictures, attacked, labelled
from ...data.worlds.web_texts import FRAMES
from ...text.clip_tokenizer import CLIPTokenizer
from ..captioning.parts import PHOTO_SIZE, Part, captions_of

CONTEXT = 16         # ids of a text, with start and end
PHOTO_CONTEXT = 77   # as in the published models
VOCABULARY = 800     # tokens at most
MATRIX = 16          # pictures and texts of the similarity matrix

THINGS = {"sprites": ("a {}",), "digits": ("the number {}", "the digit {}", "a handwritten {}"),
          "actions": ("a person {}", "someone {}")}   # what the classes of a dataset are, the most usual first
PROMPTS = {name: {"name alone": ("{}",), "one prompt": (FRAMES[0].format(things[0]),),
                  "ensemble": tuple(frame.format(thing) for frame in FRAMES for thing in things)}
           for name, things in THINGS.items()}
SIGN_PROMPT = "a photo of a sign that says {}"
SHAPE_PROMPT = PROMPTS["sprites"]["one prompt"]


def train_tokenizer(texts: Sequence[str], context: int = CONTEXT) -> CLIPTokenizer:
    """A vocabulary of byte pairs of these texts."""
    return CLIPTokenizer.train(texts, VOCABULARY, context_length=context)


def distinct_pairs(world: WebPictures, count: int) -> list[int]:
    """Rows of pictures that show different things, kind after kind, for a matrix of all against all."""
    chosen: list[int] = []
    kinds = list(dict.fromkeys(sorted(p.kind for p in world.pictures)))
    for n, kind in enumerate(kinds):
        seen: set[str] = set()
        for i, p in enumerate(world.pictures):
            full = p.kind != "sprite" or all(word in p.text for word in p.truth.split())   # the text must tell it from others
            if p.kind == kind and full and p.truth not in seen and len(seen) < (count + n) // len(kinds):
                seen.add(p.truth)
                chosen.append(i)
    return chosen


@dataclasses.dataclass(frozen=True)
class Material:
    """What every variant reads.

    Attributes:
        tokenizer: trained on the training texts.
        resolution: pixels a side of a picture.
        pairs: the training pictures, as ``PicturesWithTexts`` takes them, and their texts.
        shown: the validation pictures and texts of the similarity matrix.
        cut: whether texts that are too long are cut.
    """

    tokenizer: CLIPTokenizer
    resolution: int
    pairs: tuple[np.ndarray | Callable, list[str]]
    shown: tuple[np.ndarray, list[str]]
    cut: bool

    def ids(self, texts: Sequence[str]) -> np.ndarray:
        """(N, L) int64.

        Raises:
            ValueError: a text that is longer than the context, and not to be cut.
        """
        return self.tokenizer.tokenize(texts, truncate=self.cut)


@dataclasses.dataclass(frozen=True)
class Web(Material):
    """The web of pictures with texts, and the labelled datasets of the same things.

    Attributes:
        web: "train", "validation" and "test" -> pictures with texts.
        labelled: name of a dataset -> its "train", "validation" and "test".
        attacked: sprites with words pasted on them.
    """

    web: Mapping[str, WebPictures]
    labelled: Mapping[str, Mapping[str, Labelled]]
    attacked: Attacked

    @classmethod
    def drawn(cls, web: Mapping[str, int], labels: Mapping[str, int], seed: int) -> Web:
        """A web of a seed.

        Args:
            web: how many pictures its "train", "validation" and "test" have.
            labels: the same for each labelled dataset; as many are attacked as it has for the test.
        """
        parts = {part: WebPictures(part, count, seed) for part, count in web.items()}
        train, held = parts["train"], parts["validation"]
        tokenizer = train_tokenizer(train.texts())
        datasets = {name: {part: labelled(name, part, count, seed) for part, count in labels.items()} for name in CLASSES}
        misled = attacked(labels["test"], seed)
        shown = [held[i] for i in distinct_pairs(held, MATRIX)]
        pairs = train.images(), train.texts()
        return cls(tokenizer, CANVAS, pairs, (np.stack([p.image for p in shown]), [p.text for p in shown]), False, parts, datasets,
                   misled)


@dataclasses.dataclass(frozen=True)
class Photographs(Material):
    """Photographs, each with the first of its captions; pictures are read when they are needed.

    Attributes:
        parts: "train", "validation" and "test".
    """

    parts: Mapping[str, Part]

    @classmethod
    def of(cls, parts: Mapping[str, Part]) -> Photographs:
        """The material of these parts; how many captions are cut is said."""
        train, held = parts["train"], parts["validation"]
        tokenizer = train_tokenizer([" ".join(words) for words in train.tokens()], PHOTO_CONTEXT)
        rows, texts = range(min(MATRIX, len(held))), captions_of(train)
        cut = sum(len(tokenizer.encode(text)) + 2 > PHOTO_CONTEXT for text in texts)
        if cut:
            print(f"{cut} captions have more than {PHOTO_CONTEXT} tokens and are cut, as in the paper")
        return cls(tokenizer, PHOTO_SIZE, (train.images, texts), (held.images(rows), captions_of(held)[:len(rows)]), True, parts)
