"""News in three sentences, and a question with a gap: a world for readers (Hermann et al. 2015).

    yesterday @entity3 gave the ball to @entity1 . @entity0 borrowed the ball from @entity1 . @entity5 sold the ring to @entity3 .
    @entity1 lent the ball to @placeholder                                      -> @entity0

As in the CNN and Daily Mail questions people have numbers for names, drawn anew whenever a training story is read, so that
nothing is to be known of @entity3 but what the story says. The question says one of the facts from the other side. In most
stories a thing goes from hand to hand, often in the same way: there the person and the thing of the question are in two sentences,
and only what was done, and by whom, tells them apart.

What happens (deeds, things, and who is whom, without numbers and wordings) belongs to one part only: no test story was ever told
in training.
"""

from __future__ import annotations

import dataclasses
import itertools
import zlib
from collections.abc import Sequence

import numpy as np

from ...autograd import Tensor
from ...backend.random import Stream, stream
from ...text import Vocabulary
from ..dataset import Dataset

ENTITIES = 6   # names there are
HANDED_ON, SAME_DEED = 0.75, 0.5   # how often a thing goes from hand to hand, and then in the same way
FACTS = 3
THINGS = ("ball", "book", "boat", "horse", "house", "lamp", "picture", "ring")
DEEDS = {"give": ("{a} gave the {t} to {b}", "{b} got the {t} from {a}"),
         "sell": ("{a} sold the {t} to {b}", "{b} bought the {t} from {a}"),
         "lend": ("{a} lent the {t} to {b}", "{b} borrowed the {t} from {a}"),
         "send": ("{a} sent the {t} to {b}", "{b} received the {t} from {a}")}   # from either side
TIMES = ("", "yesterday", "last week", "in the morning")   # at the head of a story
PARTS = {"train": range(0, 8), "validation": range(8, 9), "test": range(9, 10)}   # tenths of what happens
PLACEHOLDER = "@placeholder"
NAMES = tuple(f"@entity{n}" for n in range(ENTITIES))
WORDS = sorted({word for text in itertools.chain(*DEEDS.values(), TIMES) for word in text.split() if "{" not in word})
VOCABULARY = Vocabulary([*NAMES, PLACEHOLDER, *WORDS, *THINGS, "."])
FIRST = VOCABULARY[NAMES[0]]   # the ids of the names are FIRST, FIRST + 1, ...


@dataclasses.dataclass(frozen=True)
class Fact:
    """Somebody gives, sells, lends or sends somebody a thing.

    Attributes:
        deed: of ``DEEDS``.
        giver, taker: the people's numbers within the story, in order of appearance.
        thing: of ``THINGS``.
    """

    deed: str
    giver: int
    taker: int
    thing: str

    def told(self, side: int, giver: str | None = None, taker: str | None = None) -> str:
        """The fact from the giver's side (0) or the taker's (1); a name given takes the place of a person's own."""
        return DEEDS[self.deed][side].format(a=giver or NAMES[self.giver], b=taker or NAMES[self.taker], t=self.thing)


@dataclasses.dataclass(frozen=True)
class ClozeStory:
    """A story, a question and its answer, in words; people have their numbers within the story for names.

    Attributes:
        facts: what happens, in order.
        sentences: of the story, as tokens, one for each fact.
        asked: which of the facts the question is about.
        query: tokens, with @placeholder for one of the two people.
        answer: number of the person within the story.
    """

    facts: tuple[Fact, ...]
    sentences: tuple[tuple[str, ...], ...]
    asked: int
    query: tuple[str, ...]
    answer: int

    @property
    def words(self) -> tuple[str, ...]:
        """The story's tokens, the sentences one after the other."""
        return tuple(itertools.chain(*self.sentences))


def part_of(facts: Sequence[Fact], seed: int) -> str:
    """Which part the stories with these facts belong to."""
    tenth = zlib.crc32(repr((seed, [dataclasses.astuple(f) for f in facts])).encode()) % 10
    return next(part for part, tenths in PARTS.items() if tenth in tenths)


def draw_facts(rng: np.random.Generator) -> tuple[Fact, ...]:
    """What happens. Whoever knows the deed, the thing and one of the two people of a fact knows the other one."""
    while True:
        people = [rng.choice(ENTITIES, 2, replace=False).tolist() for _ in range(FACTS)]
        deeds, things = rng.integers(len(DEEDS), size=FACTS), rng.integers(len(THINGS), size=FACTS)
        if rng.random() < HANDED_ON:   # a later fact passes on what an earlier one brought
            first, later = sorted(rng.permutation(FACTS)[:2])
            things[later], (_, holder) = things[first], people[first]
            people[later] = [holder, next(person for person in people[later] if person != holder)]
            if rng.random() < SAME_DEED:
                deeds[later] = deeds[first]
        if all(len({(deed, thing, pair[side]) for deed, thing, pair in zip(deeds, things, people)}) == FACTS for side in (0, 1)):
            break
    number: dict[int, int] = {}
    for person in itertools.chain(*people):
        number.setdefault(person, len(number))
    return tuple(Fact(list(DEEDS)[deed], number[giver], number[taker], THINGS[thing])
                 for deed, (giver, taker), thing in zip(deeds, people, things))


def draw_story(rng: np.random.Generator, part: str, seed: int) -> ClozeStory:
    """One story of a part; see ``ClozeStories``."""
    while True:
        facts = draw_facts(rng)
        if part_of(facts, seed) == part:
            break
    sides = rng.integers(2, size=FACTS)
    sentences: list[tuple[str, ...]] = [(*fact.told(side).split(), ".") for fact, side in zip(facts, sides)]
    sentences[0] = (*TIMES[rng.integers(len(TIMES))].split(), *sentences[0])
    asked, hides_giver = int(rng.integers(FACTS)), bool(rng.integers(2))
    fact = facts[asked]
    query = fact.told(1 - sides[asked], **{"giver" if hides_giver else "taker": PLACEHOLDER})
    return ClozeStory(facts, tuple(sentences), asked, tuple(query.split()), fact.giver if hides_giver else fact.taker)


class ClozeStories(Dataset):
    """Stories of one part, as ids of ``VOCABULARY``.

    An item is {"story" (T,), "story_length", "query" (Q,), "query_length", "answer"}, int64; story and query are padded at
    the end, to the longest of a batch in ``batch`` and of the part in an item.

    Args:
        part: "train", "validation" or "test".
        count: how many stories.
        seed: of the stories, of the split of what happens, and of the names in the parts that are not trained on.
        generator: the random stream of the names in training, which are drawn anew each time a story is read (default:
            the stream "entities"). The other parts have the same names each time.

    Raises:
        ValueError: an unknown part, no story.
    """

    def __init__(self, part: str, count: int, seed: int = 0, generator: Stream | str | None = None):
        if part not in PARTS:
            raise ValueError(f"ClozeStories: part={part!r}; choose from {', '.join(PARTS)}")
        if count < 1:
            raise ValueError(f"ClozeStories: count={count} must be at least 1")
        rng = Stream(f"cloze {part}", seed).generator
        self.part, self.generator = part, generator
        self.stories = [draw_story(rng, part, seed) for _ in range(count)]
        self._story, self._story_length = VOCABULARY.batch([VOCABULARY.encode(s.words) for s in self.stories])   # (N, T), (N,)
        self._query, self._query_length = VOCABULARY.batch([VOCABULARY.encode(s.query) for s in self.stories])   # (N, Q), (N,)
        self._answer = np.array([s.answer for s in self.stories])                                                 # (N,)
        self.names = None if part == "train" else orders(Stream(f"entities {part}", seed), count)   # (N, ENTITIES)

    def batch(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Several stories at once; their names are the part's own, or drawn for this batch in training."""
        rows = np.asarray(indices, dtype=np.int64)
        names = orders(stream(self.generator, "entities"), len(rows)) if self.names is None else self.names[rows]
        T, Q = self._story_length[rows].max(), self._query_length[rows].max()
        return {"story": Tensor(renamed(self._story[rows, :T], names)), "story_length": Tensor(self._story_length[rows]),
                "query": Tensor(renamed(self._query[rows, :Q], names)), "query_length": Tensor(self._query_length[rows]),
                "answer": Tensor(np.take_along_axis(names, self._answer[rows, None], 1)[:, 0])}

    def __getitem__(self, index: int) -> dict:
        names = orders(stream(self.generator, "entities"), 1) if self.names is None else self.names[[index]]
        return {"story": renamed(self._story[[index]], names)[0], "story_length": self._story_length[index],
                "query": renamed(self._query[[index]], names)[0], "query_length": self._query_length[index],
                "answer": names[0, self._answer[index]]}

    def __len__(self) -> int:
        return len(self.stories)


def orders(random: Stream, count: int, entities: int = ENTITIES) -> np.ndarray:
    """(count, entities): for each story which name each of its people gets, all orders equally likely."""
    return random.generator.random((count, entities)).argsort(1)


def renamed(ids: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Ids in which person n of story b has the name names[b, n].

    Args:
        ids: (B, T) integers.
        names: (B, entities), each row an order of 0 ... entities - 1.
    """
    person = ids - FIRST
    is_name = (person >= 0) & (person < names.shape[1])
    return np.where(is_name, FIRST + np.take_along_axis(names, np.where(is_name, person, 0), 1), ids)


# ---------------------------------------------------------------------- what can be said without reading

def baselines(stories: ClozeStories) -> dict[str, float]:
    """How often readers are right that do not read; of several equal choices each counts by its share.

    Returns:
        "majority": the name that is the answer most often; "most frequent": the person whom the story names most often;
        "most frequent, not in the question": the same without the person of the question; "most common words": a person
        whom the question does not name, of the sentence that has most words in common with it.
    """
    answers = np.bincount(stories.batch(range(len(stories)))["answer"].numpy(), minlength=ENTITIES)
    found = {"majority": float(answers.max() / answers.sum())}
    for name, choose in (("most frequent", most_frequent), ("most frequent, not in the question", most_frequent_unasked),
                         ("most common words", most_common_words)):
        choices = [(choose(story), NAMES[story.answer]) for story in stories.stories]
        found[name] = sum((answer in chosen) / len(chosen) for chosen, answer in choices) / len(choices)
    return found


def most_frequent(story: ClozeStory, without: Sequence[str] = ()) -> list[str]:
    """The names that are most often in the story."""
    counts = {name: story.words.count(name) for name in NAMES if name not in without}
    return [name for name, n in counts.items() if n == max(counts.values())]


def most_frequent_unasked(story: ClozeStory) -> list[str]:
    """The same, without the name that the question says itself."""
    return most_frequent(story, story.query)


def most_common_words(story: ClozeStory) -> list[str]:
    """The names, without the question's own, of the sentences that have most words in common with the question."""
    common = [len(set(sentence) & set(story.query)) for sentence in story.sentences]
    best = [sentence for sentence, n in zip(story.sentences, common) if n == max(common)]
    return [name for sentence in best for name in sentence if name in NAMES and name not in story.query]
