"""Little stories of six sentences, each of which follows from the one before: a world for skip-thoughts (Kiros et al. 2015).

    one day anna was at the market . / there she found a lamp . / then she broke it . / that made her sad . / so she cried .
    / a friend comforted anna .

A story is a person, a place, a thing, a deed and what it leads to: the deed decides the feeling, the feeling the reaction, and the
reaction the answer. Each sentence has several wordings. The deed is drawn without regard to person, place and thing: what a verb
leads to can be known from the sentences around it only, and is what a probe asks for, of verbs whose label it never saw.

Who does what, where and with which thing belongs to one part only.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Sequence

import numpy as np

from ...autograd import Tensor
from ...backend.random import Stream
from ...text import Vocabulary
from ..dataset import Dataset

PEOPLE = {"anna": "she", "clara": "she", "emma": "she", "julia": "she", "laura": "she", "maria": "she",
          "adam": "he", "david": "he", "felix": "he", "martin": "he", "oscar": "he", "peter": "he"}
OBJECT = {"she": "her", "he": "him"}
PLACES = ("beach", "bridge", "garden", "harbour", "market", "museum", "school", "station")
THINGS = ("basket", "bicycle", "boat", "clock", "drum", "guitar", "kite", "lamp", "mirror", "radio", "telescope", "wagon")
DEEDS = {"proud": ("fixed", "painted", "polished", "sold", "washed"),          # feeling -> verbs that lead to it
         "sad": ("broke", "burned", "dropped", "forgot", "lost"),
         "angry": ("bent", "scratched", "stained", "tore"),
         "afraid": ("heard", "moved", "opened", "touched")}
UNLABELLED = ("sold", "washed", "forgot", "lost", "stained", "tore", "touched")   # a probe is taught the others, and asked these
REACTIONS = {"proud": ("sang", "smiled"), "sad": ("cried", "sighed"), "angry": ("shouted", "stamped"),
             "afraid": ("hid", "trembled")}
ANSWERS = {"sang": "praised", "smiled": "hugged", "cried": "comforted", "sighed": "cheered", "shouted": "calmed",
           "stamped": "scolded", "hid": "sheltered", "trembled": "protected"}   # what a friend does then
WORDINGS = (
    ("{name} went to the {place} .", "one day {name} was at the {place} ."),
    ("there {she} found a {thing} .", "at the {place} {name} saw a {thing} .", "{she} looked around and saw a {thing} ."),
    ("{she} {deed} the {thing} .", "then {name} {deed} it .", "without a word {she} {deed} the {thing} ."),
    ("that made {name} {feeling} .", "{she} felt {feeling} about the {thing} .", "now {she} was very {feeling} ."),
    ("so {she} {reaction} .", "for a while {name} {reaction} beside the {thing} ."),
    ("a friend {answer} {name} .", "at last somebody came and {answer} {her} ."))
SENTENCES, DEED = len(WORDINGS), 2                 # in a story, and the place of the deed among them
FEELINGS = tuple(DEEDS)
FEELING_OF = {verb: feeling for feeling, verbs in DEEDS.items() for verb in verbs}
PARTS = {"train": range(0, 8), "validation": range(8, 9), "test": range(9, 10)}   # tenths of the contents
VOCABULARY = Vocabulary(sorted({word for wordings in WORDINGS for text in wordings for word in text.split() if "{" not in word}
                               | {*PEOPLE, *OBJECT, *OBJECT.values(), *PLACES, *THINGS, *FEELINGS, *FEELING_OF, *ANSWERS}
                               | set(ANSWERS.values())))


@dataclasses.dataclass(frozen=True)
class Story:
    """Six sentences and what they are about.

    Attributes:
        name, place, thing, deed, reaction: words.
        sentences: as tokens.
    """

    name: str
    place: str
    thing: str
    deed: str
    reaction: str
    sentences: tuple[tuple[str, ...], ...]

    @property
    def feeling(self) -> str:
        """What the deed leads to."""
        return FEELING_OF[self.deed]


def part_of(name: str, place: str, thing: str, deed: str, seed: int) -> str:
    """Which part the stories with this content belong to."""
    tenth = zlib.crc32(repr((seed, name, place, thing, deed)).encode()) % 10
    return next(part for part, tenths in PARTS.items() if tenth in tenths)


def draw_story(rng: np.random.Generator, part: str, seed: int) -> Story:
    """One story of a part; see ``Stories``."""
    pick = lambda choices: choices[rng.integers(len(choices))]
    while True:
        content = pick(tuple(PEOPLE)), pick(PLACES), pick(THINGS), pick(tuple(FEELING_OF))
        if part_of(*content, seed) == part:
            break
    name, place, thing, deed = content
    feeling, she = FEELING_OF[deed], PEOPLE[name]
    reaction = pick(REACTIONS[feeling])
    words = dict(name=name, she=she, her=OBJECT[she], place=place, thing=thing, deed=deed, feeling=feeling, reaction=reaction,
                 answer=ANSWERS[reaction])
    return Story(name, place, thing, deed, reaction, tuple(tuple(pick(wordings).format(**words).split()) for wordings in WORDINGS))


class Stories(Dataset):
    """Sentences of stories with the ones before and after, as ids of ``VOCABULARY``.

    An item is {"sentence" (T,), "length", "previous" (P,), "next" (N,)}, int64: the sentence without marks, and its neighbours
    with their <start> and <end>; all padded at the end, to the longest of a batch in ``batch`` and of the world in an item. The
    first and the last sentence of a story are neighbours only, so that each story gives four items.

    Args:
        part: "train", "validation" or "test".
        count: how many stories.
        seed: of the stories and of the split of their contents.

    Raises:
        ValueError: an unknown part, no story.
    """

    def __init__(self, part: str, count: int, seed: int = 0):
        if part not in PARTS:
            raise ValueError(f"Stories: part={part!r}; choose from {', '.join(PARTS)}")
        if count < 1:
            raise ValueError(f"Stories: count={count} must be at least 1")
        rng = Stream(f"stories {part}", seed).generator
        self.part = part
        self.stories = [draw_story(rng, part, seed) for _ in range(count)]
        self._ids, self._lengths = VOCABULARY.batch([VOCABULARY.encode(sentence, start=True, end=True)
                                                     for story in self.stories for sentence in story.sentences])   # (N * 6, T)
        self._rows = np.array([SENTENCES * i + k for i in range(count) for k in range(1, SENTENCES - 1)])   # with both neighbours

    def batch(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Several items at once."""
        rows = self._rows[np.asarray(indices, dtype=np.int64)]
        cut = lambda rows: self._ids[rows, :self._lengths[rows].max()]
        return {"sentence": Tensor(plain(cut(rows))), "length": Tensor(self._lengths[rows] - 2), "previous": Tensor(cut(rows - 1)),
                "next": Tensor(cut(rows + 1))}

    def __getitem__(self, index: int) -> dict:
        row = self._rows[index]
        return {"sentence": plain(self._ids[[row]])[0], "length": self._lengths[row] - 2, "previous": self._ids[row - 1],
                "next": self._ids[row + 1]}

    def __len__(self) -> int:
        return len(self._rows)

    def deeds(self, labelled: bool) -> list[Story]:
        """The stories whose verb a probe is taught with, or those whose verb it is asked."""
        return [story for story in self.stories if (story.deed not in UNLABELLED) == labelled]


def plain(ids: np.ndarray) -> np.ndarray:
    """Sentences (B, T) without their <start> and <end>: (B, T - 2), padded at the end."""
    return np.where(ids == VOCABULARY.end, VOCABULARY.pad, ids)[:, 1:-1]


def bag_of_words(sentences: Sequence[Sequence[str]]) -> np.ndarray:
    """(N, V) float64: how often each word is in each sentence."""
    counts = np.zeros((len(sentences), len(VOCABULARY)))
    for row, sentence in zip(counts, sentences):
        np.add.at(row, VOCABULARY.encode(sentence), 1)
    return counts
