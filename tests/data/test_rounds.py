"""Several rounds over one DataLoader at a time: each has its own order, place and thread."""

import gc
import json
import threading

import numpy as np
import pytest

import tinymm
from tinymm import Tensor
from tinymm.data import DataLoader, TensorDataset


def make(n=12, batch_size=3, **options):
    return DataLoader(TensorDataset(Tensor(np.arange(n))), batch_size, **options)


def numbers(batches):
    return [batch[0].tolist() for batch in batches]


BOTH = pytest.mark.parametrize("prefetch", [0, 1, 4])


@BOTH
def test_two_at_a_time(prefetch):
    loader = make(prefetch=prefetch)
    assert [(a[0].tolist(), b[0].tolist()) for a, b in zip(loader, loader)] == [(x, x) for x in numbers(loader)]
    shuffled = make(shuffle=True, prefetch=prefetch)
    left, right = zip(*zip(shuffled, shuffled))
    assert sorted(sum(numbers(left), [])) == sorted(sum(numbers(right), [])) == list(range(12)) and numbers(left) != numbers(right)
    product = [(a[0].tolist(), b[0].tolist()) for a in loader for b in loader]
    assert product == [(a, b) for a in numbers(loader) for b in numbers(loader)]


@BOTH
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_look_in_the_middle_changes_nothing_but_the_stream(prefetch, shuffle):
    """The order of a round is drawn when it begins, so what is looked at draws for itself, and the round stays as it was."""
    tinymm.manual_seed(0)
    plain = numbers(make(shuffle=shuffle, prefetch=prefetch))
    tinymm.manual_seed(0)
    loader, seen = make(shuffle=shuffle, prefetch=prefetch), []
    for batch in loader:
        seen.append(batch[0].tolist())
        state = loader.state_dict()
        next(iter(loader))
        assert loader.state_dict() == state
    assert seen == plain
    assert sorted(sum(numbers(loader), [])) == list(range(12))


@BOTH
def test_the_state_is_that_of_the_youngest_round_in_progress(prefetch):
    tinymm.manual_seed(3)
    loader = make(shuffle=True, prefetch=prefetch)
    old = iter(loader)
    next(old)
    state_of_old = json.loads(json.dumps(old.state_dict()))
    for i, _ in enumerate(loader):
        if i == 2:
            state = json.loads(json.dumps(loader.state_dict()))
            break
    assert state["order"] != state_of_old["order"] and (state["done"], state_of_old["done"]) == (3, 1)
    for saved, wanted in ((state_of_old, numbers(old)), (state, [state["order"][9:]])):
        again = make(shuffle=True, prefetch=prefetch)
        again.load_state_dict(saved)
        assert again.state_dict() == saved
        assert numbers(again) == wanted
        assert len(numbers(again)) == 4   # and then a whole round


def test_the_state_of_a_round_that_was_left_stays_until_the_next():
    tinymm.manual_seed(3)
    loader = make(shuffle=True)
    for i, _ in enumerate(loader):
        if i == 1:
            break
    state = loader.state_dict()
    assert state["done"] == 2
    other = make(shuffle=True)
    other.load_state_dict(state)
    remaining = numbers(other)
    assert len(remaining) == 2 and sum(remaining, []) == state["order"][6:]
    assert other.state_dict()["done"] == 4
    fresh = make(shuffle=True)
    fresh.load_state_dict(other.state_dict())   # of a round that is over: a new one begins
    assert len(numbers(fresh)) == 4
    assert make().state_dict() == {"order": None, "done": 0, "batch_size": 3}


@pytest.mark.parametrize("state, message", [
    (None, "the state is None; expected what state_dict"), ({"order": [0]}, "expected what state_dict"),
    ({"order": list(range(5)), "done": 0}, "5 items, this one has 12"),
    ({"order": list(range(12)), "done": 1, "batch_size": 4}, "batches of 4 items, these have 3"),
    ({"order": [0] * 12, "done": 1}, "does not have each item once"), ({"order": list(range(12)), "done": 5}, "its place"),
    ({"order": list(range(12)), "done": -1}, "its place"), ({"order": list(range(12)), "done": "1"}, "its place")])
def test_a_foreign_or_damaged_state_is_refused_and_changes_nothing(state, message):
    loader = make()
    round_ = iter(loader)
    next(round_)
    with pytest.raises(ValueError, match=message):
        loader.load_state_dict(state)
    assert loader.state_dict()["done"] == 1 and len(numbers(round_)) == 3


def test_what_an_older_version_saved_is_read():
    loader = make()
    loader.load_state_dict({"order": list(range(12)), "done": 3})
    assert numbers(loader) == [[9, 10, 11]]


def test_threads_end_with_their_rounds():
    before = threading.active_count()
    loader = make(1000, 1, prefetch=3)
    for _ in range(20):
        next(iter(loader))                  # dropped at once
    for batch in loader:
        break                               # left
    zip_left = next(zip(loader, loader))
    kept = iter(loader)
    next(kept)
    assert threading.active_count() == before + 1
    kept.close()
    assert threading.active_count() == before and next(kept)[0].tolist() == [1]   # a new thread goes on
    circle = [kept]
    circle.append(circle)                   # only the garbage collector finds it
    del kept, circle, batch, zip_left
    gc.collect()
    assert threading.active_count() == before


@BOTH
def test_a_batch_that_fails_is_passed_over(prefetch):
    """As in PyTorch: the error is raised in its turn, and ``next`` goes on behind it."""
    class Broken(list):
        def __getitem__(self, i):
            if i == 4:
                raise IndexError("record 4 is damaged")
            if i == 9:
                raise StopIteration
            return super().__getitem__(i)

    batches, found = iter(DataLoader(Broken(range(12)), 3, prefetch=prefetch)), []
    for error, message in ((None, ""), (IndexError, "record 4 is damaged"), (None, ""),
                           (RuntimeError, r"raised StopIteration for the items \[9,")):
        if error is None:
            found.append(next(batches).tolist())
            continue
        with pytest.raises(error, match=message):
            next(batches)
    assert found == [[0, 1, 2], [6, 7, 8]]
    with pytest.raises(StopIteration):
        next(batches)


@BOTH
def test_no_items(prefetch):
    for loader in (make(0, prefetch=prefetch), make(0, shuffle=True, prefetch=prefetch), make(2, drop_last=True, prefetch=prefetch),
                   make(0, shuffle=True, bucket=[], prefetch=prefetch)):
        assert len(loader) == len(iter(loader)) == 0 and list(loader) == []
    assert len(iter(make(13, prefetch=prefetch))) == 5


@pytest.mark.parametrize("error, message, options", [
    (ValueError, "batch_size=0 must be a positive integer", {"batch_size": 0}),
    (TypeError, "batch_size=True", {"batch_size": True}), (TypeError, "batch_size=2.5", {"batch_size": 2.5}),
    (TypeError, "batch_size=None", {"batch_size": None}), (TypeError, "prefetch=None", {"prefetch": None}),
    (TypeError, "prefetch=1.5", {"prefetch": 1.5}),
    (ValueError, "prefetch=-1 must be an integer not less than 0", {"prefetch": -1})])
def test_numbers_that_are_none(error, message, options):
    with pytest.raises(error, match=message):
        DataLoader([1, 2, 3], **options)


def test_a_dataset_without_length():
    with pytest.raises(TypeError, match="the dataset is a generator; it needs len"):
        DataLoader(x for x in range(3))


def test_the_thread_of_a_training_with_a_look_at_the_data(tmp_path):
    """A step that draws the first batch of the data does not disturb what is saved, nor what a resumed training sees."""
    from tests.train.small_training import checksum, trainer

    def watching(folder, stop=None):
        training = trainer(folder, epochs=2)
        step, training.looks = training.step, []

        def step_and_look(batch):
            training.looks.append(iter(training.loader))   # kept alive
            next(training.looks[-1])
            if training.steps == stop:
                raise KeyboardInterrupt
            return step(batch)

        training.step = step_and_look
        return training

    whole = watching(None)
    whole.fit()
    first = watching(tmp_path, stop=30)
    with pytest.raises(KeyboardInterrupt):
        first.fit()
    second = watching(tmp_path)
    second.fit(resume=True)
    assert checksum(second) == checksum(whole)
