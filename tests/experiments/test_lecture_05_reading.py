"""Tasks (b) and (c) of lecture 5: what they measure, by hand, and that they train at all."""

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, no_grad, optim
from tinymm.data import DataLoader
from tinymm.data.worlds.cloze import ENTITIES, VOCABULARY
from tinymm.data.worlds.stories import DEED, FEELINGS
from tinymm.experiments.lecture_05 import reader, skip_thoughts
from tinymm.models.attentive_reader import AttentiveReader, Reading
from tinymm.nn import Module


@pytest.fixture(scope="module", params=[reader.Reader, skip_thoughts.SkipThoughts])
def task(request):
    return request.param("smoke", 0)


def test_the_rules_of_the_comparison_are_the_tasks(task):
    assert task.norms == ("none", "layer") and len(task.rates) >= 3 and task.steps % task.every == 0
    assert (task.name, task.measure, task.threshold, task.higher) in [("reader", "accuracy", 0.80, True),
                                                                      ("skip_thoughts", "nats a word", 1.25, False)]
    for kind in (reader, skip_thoughts):
        assert kind.SIZES["lecture"]["steps"] % kind.SIZES["lecture"]["every"] == 0


def test_it_learns_and_measures_without_a_trace(task):
    """A few steps make the loss smaller; a measurement draws no random number and leaves the mode of the model."""
    loader = DataLoader(task.train, task.batch, shuffle=True, drop_last=True)
    for norm in task.norms:
        tinymm.manual_seed(0)
        model = task.model(norm)
        optimizer = optim.Adam(model.parameters(), lr=1e-2)
        first = task.measured(model, "validation")
        for _ in range(3):
            for batch in loader:
                loss = task.loss(model, batch)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        place = tinymm.backend.random.state_dict()
        last = [task.measured(model, "validation") for _ in range(2)]
        assert last[0] == last[1] and tinymm.backend.random.state_dict() == place and model.training
        assert set(first) == set(last[0]) >= {task.measure}
        key = "nats" if "nats" in first else "nats a word"
        assert last[0][key] < first[key]
        assert set(task.measured(model, "test")) == set(first)


def test_what_is_told_at_the_end(task):
    tinymm.manual_seed(0)
    models = {norm: task.model(norm) for norm in task.norms}
    found = task.finished(models)
    assert found == task.finished(models)   # the untrained systems are drawn from the seed
    figures = task.figures(models, {"finished": found})
    assert len(figures) == 1 and all(figure.axes for figure in figures.values())
    if task.name == "reader":   # systems by the names that the other figures have
        said = " ".join(text.get_text() for figure in figures.values() for text in figure.axes[0].texts)
        assert "plain says @entity" in said and "LN says @entity" in said and "(answer @entity" in said and "norm=" not in said
    if task.name == "skip_thoughts":
        shares = found["probe"]
        assert set(shares) == {"none", "layer", "untrained none", "untrained layer", "bag of words", "majority"}
        assert all(0 <= share <= 1 for share in shares.values())
        tinymm.manual_seed(0)   # what is called untrained has the first weights of the protocol
        assert shares["untrained none"] == task.finished({"none": task.model("none")})["probe"]["none"]
    else:
        assert set(found["renamed"]) == set(found["attention on the sentence asked about"]) == {"none", "layer"}
        assert 0.15 < found["baselines"]["majority"] < 0.4
        assert all(0.1 < share < 0.6 for share in found["attention on the sentence asked about"].values())


class Oracle(Module):
    """Answers as told, and looks at the first word."""

    def __init__(self, answers):
        super().__init__()
        self.answers = answers

    def forward(self, d, q, d_lengths, q_lengths):
        s = np.zeros((d.shape[1], d.shape[0]), np.float32)
        s[:, 0] = 1
        return Reading(Tensor(np.eye(ENTITIES, dtype=np.float32)[self.answers] * 50), Tensor(s))


def test_accuracy_and_attention_of_a_reader_that_knows():
    task = reader.Reader("smoke", 0)
    stories = task.held["test"]
    answers = stories.batch(range(len(stories)))["answer"].numpy()
    found = reader.measure(Oracle(answers), stories)
    assert found["accuracy"] == 1.0 and found["nats"] == pytest.approx(0, abs=1e-6)
    wrong = answers.copy()
    wrong[:10] = (wrong[:10] + 1) % ENTITIES
    found = reader.measure(Oracle(wrong), stories)
    assert found["accuracy"] == pytest.approx(1 - 10 / len(stories))
    assert found["nats"] == pytest.approx(50 * 10 / len(stories), rel=1e-5)
    share = np.mean([story.asked == 0 for story in stories.stories])   # the first word is in the first sentence
    assert reader.on_the_sentence(Oracle(answers), stories) == pytest.approx(share)


def test_other_names_are_other_names():
    """The test stories again: the same people do the same, and nobody is called as before."""
    task = reader.Reader("smoke", 0)
    first, again = task.held["test"], task.renamed
    assert first.stories == again.stories and (first.names != again.names).all()
    assert (np.sort(again.names, 1) == np.arange(ENTITIES)).all()


def test_nats_a_word_of_both_decoders():
    """A model that knows nothing but the words' number needs ln V for each word of either sentence."""
    task = skip_thoughts.SkipThoughts("smoke", 0)
    model = task.model("layer")
    with no_grad():
        model.V.weight.zero_()
        model.V.bias.zero_()
    found = task.measured(model, "validation")
    lnV = np.log(len(skip_thoughts.VOCABULARY))
    assert found == pytest.approx({"nats a word": 2 * lnV, "previous": lnV, "next": lnV}, rel=1e-5)


def test_the_probe_finds_what_is_there_and_nothing_else():
    """Features that have the feeling in them, and features that are noise; those of unseen verbs count only."""
    task = skip_thoughts.SkipThoughts("smoke", 0)
    taught, asked = task.train.deeds(True), task.held["test"].deeds(False)
    rng = np.random.default_rng(0)
    noise = lambda stories: rng.normal(size=(len(stories), 5))
    told = lambda stories: np.hstack([noise(stories), np.eye(4)[skip_thoughts.labels(stories)]])
    assert skip_thoughts.probe(told(taught), told(asked), taught, asked) == 1.0
    assert skip_thoughts.probe(noise(taught), noise(asked), taught, asked) < 0.75
    for story, label in zip(asked, skip_thoughts.labels(asked)):
        assert FEELINGS[label] in story.sentences[DEED + 1]


def test_words_go_to_the_reader_time_first():
    task = reader.Reader("smoke", 0)
    batch = task.held["test"].batch(range(7))
    tinymm.manual_seed(0)
    found = reader.read(AttentiveReader(len(VOCABULARY), ENTITIES), batch)
    assert found.logits.shape == (7, ENTITIES) and found.s.shape == batch["story"].shape
