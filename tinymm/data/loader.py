"""DataLoader: a dataset in batches, in order or shuffled by a named stream, prepared ahead in a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..autograd import Tensor
from ..autograd.integers import integer
from ..backend.random import Stream, stream


def default_collate(items: list):
    """Items as one batch: arrays, Tensors and numbers are stacked, tuples and dicts part by part, the rest listed."""
    first = items[0]
    if isinstance(first, (Tensor, np.ndarray)):
        arrays = [item.detach().numpy() if isinstance(item, Tensor) else item for item in items]
        shapes = {a.shape for a in arrays}
        if len(shapes) > 1:
            raise ValueError(f"DataLoader: items of shapes {sorted(shapes)} do not stack; pad them in a collate_fn")
        return Tensor(np.stack(arrays))
    if isinstance(first, (bool, int, float, np.generic)):
        return Tensor(items if not isinstance(first, np.generic) else np.asarray(items))
    if isinstance(first, dict):
        return {key: default_collate([item[key] for item in items]) for key in first}
    if isinstance(first, (tuple, list)):
        lengths = {len(item) for item in items}
        if len(lengths) > 1:
            raise ValueError(f"DataLoader: items with {sorted(lengths)} parts do not stack; put them together in a collate_fn")
        return tuple(default_collate(list(part)) for part in zip(*items))
    return items


class DataLoader:
    """Batches of a dataset.

    Args:
        dataset: has ``len()`` and integer items, and perhaps ``batch(indices)``, which gives a whole batch at once.
        batch_size: items a batch.
        shuffle: a new order each time round, from the stream ``generator``.
        drop_last: leave out a last, smaller batch.
        collate_fn: list of items -> batch (default: ``default_collate``).
        prefetch: batches that a thread prepares ahead; 0 for none.
        generator: the random stream of the order (default: the stream "data").
        bucket: the length of each item. With ``shuffle``, items of similar length then share a batch, so that little is
            padded: the shuffled order is cut into pools of 50 batches, each pool is sorted, and the batches are shuffled.

    ``state_dict()`` in the middle of a round remembers the order and the place in it, and a loader that loads it
    continues with the next batch.
    """

    def __init__(self, dataset, batch_size: int = 1, shuffle: bool = False, *, drop_last: bool = False,
                 collate_fn: Callable | None = None, prefetch: int = 0, generator: Stream | str | None = None,
                 bucket: Sequence[int] | np.ndarray | None = None):
        batch_size = integer("DataLoader", "batch_size", batch_size, 1)
        if prefetch < 0:
            raise ValueError(f"DataLoader: prefetch={prefetch} must not be negative")
        if bucket is not None and len(bucket) != len(dataset):
            raise ValueError(f"DataLoader: bucket has {len(bucket)} lengths, the dataset has {len(dataset)} items")
        if bucket is not None and not shuffle:
            raise ValueError("DataLoader: bucket changes the order of the items; it goes with shuffle=True")
        self.dataset, self.batch_size, self.shuffle, self.drop_last = dataset, batch_size, shuffle, drop_last
        self.bucket = None if bucket is None else np.asarray(bucket)
        self.collate_fn, self.prefetch, self.generator = collate_fn or default_collate, prefetch, generator
        self._order: list[int] | None = None   # of the round in progress
        self._done = 0                         # its batches that were handed out

    def __len__(self) -> int:
        n = len(self.dataset)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator:
        if self._order is None or self._done >= len(self):
            self._order = self._new_order()
            self._done = 0
        elif not self._resumed:
            self._order = None   # the round before was left in the middle: begin a new one
            return iter(self)
        self._resumed = False
        return self._ahead() if self.prefetch else self._batches()

    _resumed = False

    def _new_order(self) -> list[int]:
        n = len(self.dataset)
        if not self.shuffle:
            return list(range(n))
        random = stream(self.generator, "data").generator
        order = random.permutation(n)
        if self.bucket is None:
            return order.tolist()
        pools = np.split(order, range(50 * self.batch_size, n, 50 * self.batch_size))
        order = np.concatenate([pool[np.argsort(self.bucket[pool], kind="stable")] for pool in pools])
        batches = np.split(order, range(self.batch_size, n, self.batch_size))
        whole = n // self.batch_size   # a last, smaller batch stays the last
        return np.concatenate([*(batches[i] for i in random.permutation(whole)), *batches[whole:]]).tolist()

    def _batch(self, number: int):
        rows = self._order[number * self.batch_size:(number + 1) * self.batch_size]
        if self.collate_fn is default_collate and getattr(self.dataset, "batch", None) is not None:
            return self.dataset.batch(rows)
        return self.collate_fn([self.dataset[i] for i in rows])

    def _batches(self) -> Iterator:
        for number in range(self._done, len(self)):
            batch = self._batch(number)
            self._done = number + 1
            yield batch

    def _ahead(self) -> Iterator:
        ready: queue.Queue = queue.Queue(self.prefetch)
        stop = threading.Event()

        def put(item) -> None:
            while not stop.is_set():
                try:
                    return ready.put(item, timeout=0.1)
                except queue.Full:
                    continue

        def work() -> None:
            try:
                for number in range(self._done, len(self)):
                    if stop.is_set():
                        return
                    put((number, self._batch(number), None))
                put(None)
            except BaseException as error:   # raised again in the thread that asked
                put((-1, None, error))

        thread = threading.Thread(target=work, daemon=True, name="tinymm-prefetch")
        thread.start()
        try:
            while True:
                item = ready.get()
                if item is None:
                    return
                number, batch, error = item
                if error is not None:
                    raise error
                self._done = number + 1
                yield batch
        finally:
            stop.set()
            thread.join()

    def state_dict(self) -> dict:
        """The order and the place in it, of plain numbers."""
        return {"order": self._order, "done": self._done}

    def load_state_dict(self, state: dict) -> None:
        """Continue, at the next ``iter``, where ``state_dict`` was taken.

        Raises:
            ValueError: the state belongs to a dataset of another length.
        """
        if state["order"] is not None and len(state["order"]) != len(self.dataset):
            raise ValueError(f"DataLoader: the state is of a dataset with {len(state['order'])} items, this one has "
                             f"{len(self.dataset)}")
        self._order = None if state["order"] is None else list(state["order"])
        self._done, self._resumed = state["done"], state["order"] is not None and state["done"] < len(self)
