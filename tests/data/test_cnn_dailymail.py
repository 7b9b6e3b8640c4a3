"""Questions about the news, in the files of the release and in Chen's."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinymm.data.readers.cnn_dailymail import ChensQuestions, NewsQuestion, QuestionFiles, entities_of, read_cnn, read_question

from .damage import damaged, refused_by_name, refuses

URL = "http://web.archive.org/web/2015id_/http://edition.cnn.com/2015/a.html"
STORY = "( @entity1 ) caf\u00e9 in @entity0 : @entity3 gave @entity1 the ball @entity1 said"
QUERY, ANSWER = "@entity3 gave @placeholder the ball", "@entity1"
NAMES = {"@entity0": "Paris", "@entity1": "CNN : International", "@entity3": "Tottenham Hotspur"}
QUESTION = f"{URL}\n\n{STORY}\n\n{QUERY}\n\n{ANSWER}\n\n" + "\n".join(f"{e}:{name}" for e, name in NAMES.items())
CHEN = f"{QUERY}\n{ANSWER}\n{STORY}\n\n"


def write(path, content=QUESTION):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode())
    return path


@pytest.mark.parametrize("content", [QUESTION, QUESTION + "\n", QUESTION.replace("\n", "\r\n")], ids=["released", "end", "Windows"])
def test_a_question(tmp_path, content):
    wanted = NewsQuestion(tuple(STORY.split()), tuple(QUERY.split()), ANSWER, NAMES, URL)
    assert read_question(write(tmp_path / "a.question", content)) == wanted


@pytest.mark.parametrize("place", ["training", "questions/training", "."])
def test_a_folder_of_questions(tmp_path, place):
    for i in (2, 0, 1):
        write(tmp_path / place / f"{i}.question", QUESTION.replace("2015", str(2000 + i)))
    (tmp_path / place / "notes.txt").write_text("none")
    data = read_cnn(tmp_path)
    assert isinstance(data, QuestionFiles) and len(data) == 3
    assert [q.url[-11:-7] for q in data] == ["2000", "2001", "2002"] and data[-1] == data[2]
    with pytest.raises(IndexError):
        data[3]


def test_the_parts(tmp_path):
    for name, year in (("training", 1), ("validation", 2), ("test", 3)):
        write(tmp_path / name / "a.question", QUESTION.replace("2015", str(year)))
        write(tmp_path / "chen" / f"{ {'training': 'train', 'validation': 'dev'}.get(name, name)}.txt", CHEN * year)
    for part, year in (("train", 1), ("validation", 2), ("test", 3)):
        assert f"/{year}id_" in read_cnn(tmp_path, part)[0].url
        assert len(read_cnn(tmp_path / "chen", part)) == year


@pytest.mark.parametrize("content", [CHEN * 40, (CHEN * 40).rstrip(), CHEN * 40 + "\n"], ids=["blank at the end", "none", "two"])
def test_chens_file(tmp_path, content):
    content = content.replace(QUERY, "FIRST @placeholder", 1)
    data = read_cnn(write(tmp_path / "train.txt", content))
    assert isinstance(data, ChensQuestions) and len(data) == 40
    assert data[0].query == ("FIRST", "@placeholder")
    assert data[39] == data[-1] == NewsQuestion(tuple(STORY.split()), tuple(QUERY.split()), ANSWER)
    with pytest.raises(IndexError):
        data[40]


def test_questions_are_read_when_they_are_asked_for(tmp_path):
    write(tmp_path / "a.question"), write(tmp_path / "b.question", "damaged")
    data = read_cnn(tmp_path)
    assert data[0].answer == ANSWER
    refuses(lambda: data[1], r"b\.question ends after 1 of its parts")


def test_entities_by_appearance():
    assert entities_of(STORY.split()) == ["@entity1", "@entity0", "@entity3"]


@pytest.mark.parametrize("before, after, message", [
    (f"\n\n{ANSWER}\n\n", "\n\n@entity0\n\n", "file has it"),
    (f"\n\n{ANSWER}\n\n", "\n\n@entity7\n\n", r"line 7: the answer @entity7 is no entity of its story, which has @entity1, "),
    (f"\n\n{ANSWER}\n\n", "\n\nParis\n\n", r"line 7: the answer is 'Paris'; expected an entity such as @entity3"),
    ("@entity1:CNN : International\n", "", r"line 7: the answer @entity1 is not among the 2 entities that the file names"),
    ("@placeholder", "him", r"line 5: the question '@entity3 gave him the ball' has no gap; expected one with @placeholder"),
    (":Paris", "", r"line 9: '@entity0'; expected an entity's name such as '@entity3:Tottenham Hotspur'"),
    ("@entity0:", "@entityx:", "line 9: '@entityx:Paris'; expected an entity's name"),
    ("@entity0:", "@entity3:", r"line 11: @entity3 is 'Paris' already; expected each entity once"),
    (QUESTION[QUESTION.index(QUERY):], "", "ends after 2 of its parts; expected address, article, question, answer and entities"),
    (QUESTION, "", "ends after 0 of its parts"), ("caf", "\0", r"line 3: a zero byte")])
def test_damaged_questions_are_explained(tmp_path, before, after, message):
    assert before in QUESTION
    file = write(tmp_path / "a.question", QUESTION.replace(before, after))
    if message == "file has it":
        assert read_question(file).answer == "@entity0"
    else:
        refuses(lambda: read_question(file), r"read_cnn: .*a\.question.*" + message)


def test_bytes_and_sizes(tmp_path):
    file = write(tmp_path / "a.question")
    file.write_bytes(QUESTION.encode("latin-1"))
    refuses(lambda: read_question(file), r"a\.question line 3: byte 0xe9 at position \d+ is not UTF-8")
    file.write_bytes(b"x" * (2 ** 22 + 1))
    refuses(lambda: read_question(file), "has 4,194,305 bytes, at most 4,194,304 are read; give a .question file")


@pytest.mark.parametrize("content, message", [
    (CHEN + QUERY, r"train\.txt has 5 lines; expected question, answer, article and an empty line .* not whole"),
    ("", "has 0 lines; .* the file is empty"), (CHEN + f"{QUERY}\n@entity8\n{STORY}", r"line 6: the answer @entity8 is no entity"),
    (CHEN + f"{QUERY.replace('@placeholder', '')}\n{ANSWER}\n{STORY}", r"line 5: the question .* has no gap"),
    (CHEN + CHEN.strip() + "\nmore\n" + CHEN, r"line 8: 'more'; expected an empty line after each question")])
def test_damaged_files_of_chens_are_explained(tmp_path, content, message):
    refuses(lambda: read_cnn(write(tmp_path / "train.txt", content))[1], "read_cnn: .*" + message)


def test_missing_files_are_named(tmp_path):
    (tmp_path / "training").mkdir()
    for root in (tmp_path, tmp_path / "nowhere"):
        refuses(lambda: read_cnn(root), r"holds no training with \.question files, and no train\.txt; give the folder",
                FileNotFoundError)
    refuses(lambda: read_cnn(tmp_path, "dev"), "part='dev'; choose from train, validation, test")
    refuses(lambda: read_question(tmp_path / "a.question"), "does not exist; give a .question file", FileNotFoundError)


@pytest.mark.parametrize("name, content", [("a.question", QUESTION), ("train.txt", CHEN * 3)])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_is_refused_by_name(tmp_path_factory, name, content, data):
    file = tmp_path_factory.mktemp("cnn") / name
    file.write_bytes(data.draw(damaged(content.encode())))

    def read():
        questions = [read_question(file)] if name == "a.question" else list(read_cnn(file))
        assert all(q.answer in q.story and "@placeholder" in q.query for q in questions)

    refused_by_name(read, str(file))
