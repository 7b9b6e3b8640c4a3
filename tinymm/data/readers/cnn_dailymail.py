"""Questions about the news of CNN and the Daily Mail (Hermann et al. 2015), and Chen's variant (Chen et al. 2016).

The release has a file a question, ``<hash>.question``, with an empty line between its parts: the article's address, the article,
the question, its answer, and the names of the entities, ``@entity3:Tottenham Hotspur``, one a line. Chen's has one file with four
lines a question: question, answer, article, and an empty line.
"""

from __future__ import annotations

import dataclasses
import operator
import os
import pathlib
from collections.abc import Sequence

from ..dataset import Dataset
from .captions import read_lines
from .files import LineFile, ordinary_file

READER = "read_cnn"
PARTS = {"train": ("training", "train"), "validation": ("validation", "dev"), "test": ("test", "test")}   # folder, Chen's file
PLACEHOLDER = "@placeholder"
ENTITY = "@entity"
MOST = 2 ** 22            # bytes of a question's file; the release's longest article has 12,000 words


@dataclasses.dataclass(frozen=True)
class NewsQuestion:
    """An article, a question with a gap and the entity that fills it.

    Attributes:
        story: the article's tokens, entities as "@entity3".
        query: the question's, with "@placeholder".
        answer: an entity of the story.
        entities: "@entity3" -> its name; empty in Chen's variant, which has none.
        url: of the article; "" in Chen's variant.
    """

    story: tuple[str, ...]
    query: tuple[str, ...]
    answer: str
    entities: dict[str, str] = dataclasses.field(default_factory=dict, hash=False)
    url: str = ""


def read_cnn(root: str | os.PathLike, part: str = "train") -> Dataset:
    """The questions of one part, each read when it is asked for.

    Args:
        root: a folder with ``training``, ``validation`` and ``test``, or ``questions`` with these, or with Chen's ``train.txt``,
            ``dev.txt`` and ``test.txt``; or a folder of ``.question`` files, or one of Chen's files (``part`` is then not used).
        part: "train", "validation" or "test".

    Returns:
        A dataset of items of type ``NewsQuestion``: ``QuestionFiles`` in the order of their names, or ``ChensQuestions``.

    Raises:
        FileNotFoundError: no such folder or file, or no question in it.
        ValueError: an unknown part; when a question is read, one that is not whole: the message has file and line.
    """
    if part not in PARTS:
        raise ValueError(f"{READER}: part={part!r}; choose from {', '.join(PARTS)}")
    root, (folder, file) = pathlib.Path(root), PARTS[part]
    if root.is_file():
        return ChensQuestions(root)
    for place in (root / folder, root / "questions" / folder, root):
        if place.is_dir() and any(name.endswith(".question") for name in os.listdir(place)):
            return QuestionFiles(place)
    if (root / f"{file}.txt").is_file():
        return ChensQuestions(root / f"{file}.txt")
    raise FileNotFoundError(f"{READER}: {root} holds no {folder} with .question files, and no {file}.txt; give the folder of the "
                            f"dataset, such as cnn")


class QuestionFiles(Dataset):
    """The ``.question`` files of a folder by name; the folder is listed once, a file is read when its question is asked for."""

    def __init__(self, folder: str | os.PathLike):
        self.folder = pathlib.Path(folder)
        self.names = sorted(name for name in os.listdir(folder) if name.endswith(".question"))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> NewsQuestion:
        return read_question(self.folder / self.names[operator.index(index)])


def read_question(path: str | os.PathLike) -> NewsQuestion:
    """One ``.question`` file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a part that is missing, a line of the entities that is none, an entity twice, an answer that is no entity of
            its story, a question without a gap. The message has file and line.
    """
    path = ordinary_file(path, READER, "a .question file", MOST)
    parts: list[tuple[int, str]] = []   # the first four: where they begin, and their text
    entities: dict[str, str] = {}
    for number, text in read_lines(path, READER):
        if len(parts) < 4:
            parts.append((number, text.strip()))
            continue
        entity, colon, name = text.strip().partition(":")
        if not colon or not _is_entity(entity):
            raise ValueError(f"{READER}: {path} line {number}: {text[:60]!r}; expected an entity's name such as "
                             f"'@entity3:Tottenham Hotspur'")
        if entity in entities:
            raise ValueError(f"{READER}: {path} line {number}: {entity} is {entities[entity]!r} already; expected each entity once")
        entities[entity] = name.strip()
    if len(parts) < 4:
        raise ValueError(f"{READER}: {path} ends after {len(parts)} of its parts; expected address, article, question, answer and "
                         f"entities, with empty lines between")
    (_, url), (_, story), (at_query, query), (at_answer, answer) = parts
    question = NewsQuestion(tuple(story.split()), tuple(query.split()), answer, entities, url)
    _check(question, f"{READER}: {path} line {at_query}", f"{READER}: {path} line {at_answer}")
    if answer not in entities:
        raise ValueError(f"{READER}: {path} line {at_answer}: the answer {answer} is not among the {len(entities)} entities that "
                         f"the file names; it is not whole")
    return question


class ChensQuestions(Dataset):
    """The questions of one of Chen's files; four lines are read when theirs is asked for.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file whose lines are not four a question.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = ordinary_file(path, READER, "one of Chen's files such as train.txt")
        self._lines = LineFile(self.path, READER)
        n = len(self._lines)
        while n and not self._lines.line(n - 1).strip():
            n -= 1   # the empty lines at the end
        if not n or n % 4 != 3:
            raise ValueError(f"{READER}: {self.path} has {n} lines; expected question, answer, article and an empty line for each "
                             f"question, the file is {'not whole' if n else 'empty'}")
        self._count = (n + 1) // 4

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> NewsQuestion:
        first = 4 * range(len(self))[operator.index(index)]
        query, answer, story = (line.strip() for line in self._lines.lines(first, 3))
        where = f"{READER}: {self.path} line"
        if first + 3 < len(self._lines) and (more := self._lines.line(first + 3).strip()):
            raise ValueError(f"{where} {first + 4}: {more[:60]!r}; expected an empty line after each question")
        question = NewsQuestion(tuple(story.split()), tuple(query.split()), answer)
        _check(question, f"{where} {first + 1}", f"{where} {first + 2}")
        return question


def _is_entity(word: str) -> bool:
    number = word.removeprefix(ENTITY)
    return number != word and number.isascii() and number.isdigit()


def _check(question: NewsQuestion, at_query: str, at_answer: str) -> None:
    if PLACEHOLDER not in question.query:
        raise ValueError(f"{at_query}: the question {' '.join(question.query)[:60]!r} has no gap; expected one with {PLACEHOLDER}")
    if not _is_entity(question.answer):
        raise ValueError(f"{at_answer}: the answer is {question.answer[:40]!r}; expected an entity such as @entity3")
    if question.answer not in question.story:
        there = entities_of(question.story)
        raise ValueError(f"{at_answer}: the answer {question.answer} is no entity of its story, which has "
                         f"{', '.join(there[:5]) or 'none'}{', ...' if len(there) > 5 else ''}")


def entities_of(words: Sequence[str]) -> list[str]:
    """The entities among the words, each once, in order of appearance."""
    return list(dict.fromkeys(word for word in words if _is_entity(word)))
