"""Data loaders: order, batches, prefetching, resuming."""

import threading

import numpy as np
import pytest

import tinymm
from tinymm import Tensor
from tinymm.data import DataLoader, Dataset, Subset, TensorDataset, random_split


class Numbers(Dataset):
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return {"x": np.float32(i), "pair": (i, np.full(2, i))}


def seen(loader):
    return [batch["pair"][0].tolist() for batch in loader]


@pytest.mark.parametrize("prefetch", [0, 2])
def test_batches_in_order(prefetch):
    loader = DataLoader(Numbers(7), batch_size=3, prefetch=prefetch)
    assert seen(loader) == [[0, 1, 2], [3, 4, 5], [6]] and len(loader) == 3
    short = DataLoader(Numbers(7), 3, drop_last=True)
    assert len(short) == 2 and seen(short) == [[0, 1, 2], [3, 4, 5]]
    batch = next(iter(loader))
    assert batch["x"].dtype == np.float32 and batch["pair"][1].shape == (3, 2)


@pytest.mark.parametrize("prefetch", [0, 3])
def test_shuffling_follows_the_seed_and_changes_each_round(prefetch):
    def rounds():
        tinymm.manual_seed(5)
        loader = DataLoader(Numbers(50), 10, shuffle=True, prefetch=prefetch)
        return seen(loader), seen(loader)

    first, second = rounds()
    assert sorted(sum(first, [])) == list(range(50)) and first != second
    assert rounds() == (first, second)


@pytest.mark.parametrize("prefetch", [0, 2])
def test_a_round_continues_from_its_state(prefetch):
    tinymm.manual_seed(1)
    loader = DataLoader(Numbers(20), 4, shuffle=True, prefetch=prefetch)
    iterator = iter(loader)
    start = [next(iterator)["pair"][0].tolist() for _ in range(2)]
    state = loader.state_dict()
    rest = [b["pair"][0].tolist() for b in iterator]
    tinymm.manual_seed(999)
    other = DataLoader(Numbers(20), 4, shuffle=True, prefetch=prefetch)
    other.load_state_dict(state)
    assert seen(other) == rest and sorted(sum(start + rest, [])) == list(range(20))
    assert sorted(sum(seen(other), [])) == list(range(20))   # and then whole rounds
    with pytest.raises(ValueError, match="20 items, this one has 3"):
        DataLoader(Numbers(3)).load_state_dict(state)


def test_leaving_a_round_early_starts_a_new_one_and_leaves_no_thread():
    loader = DataLoader(Numbers(40), 2, prefetch=2)
    before = threading.active_count()
    for batch in loader:
        break
    del batch
    assert seen(loader)[0] == [0, 1]
    import gc

    gc.collect()
    assert threading.active_count() == before


def test_an_error_in_the_thread_reaches_the_loop():
    class Broken(Numbers):
        def __getitem__(self, i):
            if i == 5:
                raise RuntimeError("record 5 is damaged")
            return super().__getitem__(i)

    with pytest.raises(RuntimeError, match="record 5 is damaged"):
        seen(DataLoader(Broken(8), 2, prefetch=2))


def test_items_that_do_not_stack_are_explained():
    class Ragged(Numbers):
        def __getitem__(self, i):
            return np.zeros(i + 1)

    with pytest.raises(ValueError, match="do not stack; pad them in a collate_fn"):
        next(iter(DataLoader(Ragged(3), 3)))


def test_tensor_datasets_and_splits():
    data = TensorDataset(Tensor(np.arange(10)), Tensor(np.arange(10) * 2.0))
    parts = random_split(data, [7, 3])
    assert sorted(int(x) for part in parts for x, _ in part) == list(range(10)) and isinstance(parts[0], Subset)
    x, y = next(iter(DataLoader(data, 4)))
    assert x.tolist() == [0, 1, 2, 3] and y.tolist() == [0, 2, 4, 6]
    with pytest.raises(ValueError, match="add up to 9"):
        random_split(data, [7, 2])
    with pytest.raises(ValueError, match=r"\[2, 3\] rows"):
        TensorDataset(tinymm.zeros(2), tinymm.zeros(3))


def test_a_subset_fetches_whole_batches_where_its_dataset_does():
    data = TensorDataset(Tensor(np.arange(10)))
    part = Subset(data, [5, 3, 8])
    assert part.batch([0, 2])[0].tolist() == [5, 8] and Subset(Numbers(3), [1]).batch is None
    assert next(iter(DataLoader(part, 3)))[0].tolist() == [5, 3, 8]


def test_ragged_tuples_are_not_cut():
    class Captions(Numbers):
        def __getitem__(self, i):
            return tuple(range(i + 1))

    with pytest.raises(ValueError, match=r"items with \[1, 2\] parts do not stack"):
        next(iter(DataLoader(Captions(2), 2)))


@pytest.mark.parametrize("n", [1000, 1003])
def test_buckets_put_similar_lengths_together(n):
    tinymm.manual_seed(0)
    lengths = np.random.default_rng(0).integers(1, 21, n)
    loader = DataLoader(Numbers(n), 10, shuffle=True, bucket=lengths)
    rounds = [seen(loader), seen(loader)]
    assert all(sorted(sum(batches, [])) == list(range(n)) for batches in rounds) and rounds[0] != rounds[1]
    assert [len(b) for b in rounds[0]] == [10] * (n // 10) + [n % 10] * (n % 10 > 0)
    spread = np.mean([np.ptp(lengths[b]) for b in rounds[0]])
    alone = np.mean([np.ptp(lengths[b]) for b in seen(DataLoader(Numbers(n), 10, shuffle=True))])
    assert spread < alone / 5   # 16 of 20 lengths in a batch at random
    means = [lengths[b].mean() for b in rounds[0][:50]]
    assert means != sorted(means)   # the batches themselves come in any order
    with pytest.raises(ValueError, match="bucket has 3 lengths"):
        DataLoader(Numbers(4), 2, shuffle=True, bucket=[1, 2, 3])
    with pytest.raises(ValueError, match="goes with shuffle=True"):
        DataLoader(Numbers(3), 2, bucket=[1, 2, 3])
