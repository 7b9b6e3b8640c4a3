"""Dependency trees of what people say of scenes of sprites, by the grammar that made the sentences.

Every word but one hangs on another word, its head, by a named relation, as a parser for English would have it:

    a big red disc left of a star       disc <-det- a, <-amod- big, <-amod- red, <-prep- left <-prep- of <-pobj- star <-det- a

A published system has a parser's trees, with the parser's errors; these have none.
"""

from __future__ import annotations

import dataclasses

from .scene_captions import Caption
from .sprite_scenes import LITTLE, SIZES
from .sprites import COLOURS

RELATIONS = ("root", "det", "amod", "expl", "nsubj", "attr", "dobj", "acomp", "prep", "pobj", "cc", "conj")
ARTICLES = ("a", "the")
ADJECTIVES = (*COLOURS, *SIZES, *LITTLE.values())
SUBJECTS = {"there": "expl", "we": "nsubj"}      # words that stand before their verb -> how they hang on it
VERBS = {"is": "attr", "see": "dobj"}            # verb -> how the thing after it hangs on it
PREPOSITIONS = ("left", "right", "above", "below", "over", "to", "of")
ROOT = -1


@dataclasses.dataclass(frozen=True)
class Tree:
    """A sentence's tree.

    Attributes:
        heads: for each word the position of its head, ``ROOT`` for the one without.
        relations: for each word its relation to the head, a place in ``RELATIONS``.
    """

    heads: tuple[int, ...]
    relations: tuple[int, ...]


def dependency_tree(caption: Caption) -> Tree:
    """The tree of a sentence about a filled scene.

    Args:
        caption: its words, and which of them name things.

    Raises:
        ValueError: a word that is not in the grammar, or not in that place.
    """
    nouns = {position for position, _ in caption.mentions}
    hung: dict[int, tuple[int, str]] = {}         # word -> (head, relation)
    waiting: list[int] = []                       # articles and adjectives before their noun
    noun = verb = subject = ROOT                  # positions: of the last noun, ...; ROOT where there is none yet
    slot: tuple[int, str] | None = (ROOT, "root") # where the next thing belongs; None: there is no room for one
    for i, word in enumerate(caption.words):
        if i in nouns or (word in PREPOSITIONS and waiting and slot):      # "to the left": a noun
            hung |= {j: (i, "det" if caption.words[j] in ARTICLES else "amod") for j in waiting}
            noun, waiting = i, []
            hung[i], slot = slot or _refuse(caption, i), None
        elif word in ARTICLES or word in ADJECTIVES:
            waiting.append(i)
        elif word in SUBJECTS and i == 0:
            subject = i
        elif word in VERBS and verb == ROOT and not waiting and (subject == ROOT) != (noun == ROOT):
            hung[i] = ROOT, "root"
            hung[noun if subject == ROOT else subject] = i, "nsubj" if subject == ROOT else SUBJECTS[caption.words[subject]]
            verb, slot = i, (i, VERBS[word])
        elif word in PREPOSITIONS and not waiting and slot != (ROOT, "root"):
            hung[i] = slot[0] if slot else noun, "prep"
            slot = i, "pobj"
        elif word == "and" and len(waiting) == 1 and slot and slot[0] == verb:      # "is big and ..."
            hung |= {waiting[0]: (verb, "acomp"), i: (waiting[0], "cc")}
            slot, waiting = (waiting[0], "conj"), []
        elif word == "and" and noun != ROOT and not waiting and not slot:
            hung[i], slot = (noun, "cc"), (noun, "conj")
        else:
            _refuse(caption, i)
    if len(waiting) == 1 and slot and slot[1] == "conj":                   # "... and red"
        hung[waiting.pop()] = slot
        slot = None
    if waiting or slot or not caption.words or len(hung) < len(caption.words):
        _refuse(caption, len(caption.words) - 1)
    return Tree(tuple(hung[i][0] for i in range(len(caption.words))),
                tuple(RELATIONS.index(hung[i][1]) for i in range(len(caption.words))))


def _refuse(caption: Caption, i: int):
    what = f"{caption.words[i]!r}, word {i}" if caption.words else "no words"
    raise ValueError(f"dependency_tree: {' '.join(caption.words)!r} is not in the grammar of filled scenes: {what}, has no place")
