"""What a sentence says of a scene of sprites, and how much of it is true: the four levels of Show and Tell's chart."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

from ...data.worlds.sprite_scenes import LITTLE, NOVEL, OTHER, Sprite
from ...data.worlds.sprites import COLOURS, SHAPES

LEVELS = ("without errors", "minor errors", "somewhat related", "unrelated")
SHAPE_OF = {**{shape: shape for shape in SHAPES}, **{other: shape for shape, other in OTHER.items()}}
SIZE_OF = {**{size: size for size in LITTLE}, **{other: size for size, other in LITTLE.items()}}
RELATIONS = {"left": "left of", "right": "right of", "above": "above", "over": "above", "below": "below"}
BACKWARDS = {"right of": "left of", "below": "above"}


@dataclasses.dataclass
class Mention:
    """One thing that a sentence speaks of; None is what it does not say.

    Attributes:
        shape, colour, size: words of the first writer, without synonyms.
    """

    shape: str | None = None
    colour: str | None = None
    size: str | None = None

    def wrong(self, sprite: Sprite) -> int:
        """How many of its words are not true of a sprite."""
        return sum(said is not None and said != true for said, true in
                   ((self.shape, sprite.shape), (self.colour, sprite.colour), (self.size, sprite.size)))

    @property
    def said(self) -> int:
        """How many words it has."""
        return sum(word is not None for word in (self.shape, self.colour, self.size))


def read(words: Sequence[str]) -> tuple[list[Mention], str | None]:
    """The things that a sentence mentions, in its order, and how it says the first stands to the second, if it does.

    Adjectives belong to the noun that follows ("a small red disc"), after "is" to the noun before ("the disc is red").
    An adjective that no noun follows makes a mention without a shape.
    """
    mentions, relation, waiting, predicate = [], None, Mention(), False
    for word in words:
        if word in SHAPE_OF:
            waiting.shape, predicate = SHAPE_OF[word], False
            mentions.append(waiting)
            waiting = Mention()
        elif word in COLOURS or word in SIZE_OF:
            owner = mentions[-1] if predicate and mentions else waiting
            if word in COLOURS:
                owner.colour = word
            else:
                owner.size = SIZE_OF[word]
        elif word == "is":
            predicate = True
        elif word in ("a", "the"):
            predicate = False
        elif word in RELATIONS:
            relation, predicate = RELATIONS[word], False
    return mentions + [waiting] * (waiting.said > 0), relation


def errors(words: Sequence[str], sprites: Sequence[Sprite]) -> int:
    """The least number of wrong facts, over all ways to match mentions with sprites.

    Wrong are: an attribute that the matched sprite does not have, each word about a thing that is not there, a sprite that
    is not mentioned, a mention without a noun, and a relation that does not hold.
    """
    mentions, relation = read(words)
    places = [*range(len(sprites)), *[None] * len(mentions)]
    counts = []
    for match in set(itertools.permutations(places, len(mentions))):
        count = sum(m.said if i is None else m.wrong(sprites[i]) for m, i in zip(mentions, match))
        count += sum(i not in match for i in range(len(sprites))) + sum(m.shape is None for m in mentions)
        count += relation is not None and not _holds(relation, match[:2], sprites)
        counts.append(count)
    return min(counts)


def _holds(relation: str, match: tuple, sprites: Sequence[Sprite]) -> bool:
    first, second = (*match, None, None)[:2]
    if relation in BACKWARDS:
        relation, first, second = BACKWARDS[relation], second, first
    return (first, second) == (0, 1) and sprites[0].relation == relation


def level(words: Sequence[str], sprites: Sequence[Sprite]) -> str:
    """One of LEVELS: no wrong fact; one; at least a shape or a colour that is there; nothing that is there."""
    mentions, _ = read(words)
    wrong = errors(words, sprites) if mentions else len(sprites)
    if mentions and wrong <= 1:
        return LEVELS[wrong]
    related = any(m.shape == s.shape or m.colour == s.colour for m in mentions for s in sprites)
    return LEVELS[2] if related else LEVELS[3]


def says_novel(words: Sequence[str]) -> bool:
    """Whether a sentence names a pair of colour and shape that no training picture shows."""
    return any((m.colour, m.shape) in NOVEL for m in read(words)[0])
