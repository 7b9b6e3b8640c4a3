"""DataLoader: a dataset in batches, in order or shuffled by a named stream, prepared ahead in a thread."""

from __future__ import annotations

import queue
import sys
import threading
import weakref
from collections.abc import Callable, Sequence

import numpy as np

from ..autograd.integers import integer
from ..backend.random import Stream, stream
from .collate import default_collate


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

    Each ``iter(loader)`` is a ``Round`` of its own: it draws its order when it is made (without ``shuffle`` it draws
    nothing), keeps its own place, and disturbs no other. ``state_dict()`` in the middle of a round remembers the order and
    the place in it, and a loader that loads it continues with the next batch.

    Raises:
        TypeError, ValueError: a number that is none, a dataset without length or items, a ``bucket`` of another length.
    """

    def __init__(self, dataset, batch_size: int = 1, shuffle: bool = False, *, drop_last: bool = False,
                 collate_fn: Callable | None = None, prefetch: int = 0, generator: Stream | str | None = None,
                 bucket: Sequence[int] | np.ndarray | None = None):
        batch_size = integer("DataLoader", "batch_size", batch_size, 1)
        prefetch = integer("DataLoader", "prefetch", prefetch, 0)
        if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise TypeError(f"DataLoader: the dataset is a {type(dataset).__name__}; it needs len() and items by number, as a list "
                            "or a Dataset has them")
        if bucket is not None and len(bucket) != len(dataset):
            raise ValueError(f"DataLoader: bucket has {len(bucket)} lengths, the dataset has {len(dataset)} items")
        if bucket is not None and not shuffle:
            raise ValueError("DataLoader: bucket changes the order of the items; it goes with shuffle=True")
        self.dataset, self.batch_size, self.shuffle, self.drop_last = dataset, batch_size, shuffle, drop_last
        self.bucket = None if bucket is None else np.asarray(bucket)
        self.collate_fn, self.prefetch, self.generator = collate_fn or default_collate, prefetch, generator
        self._rounds: list[weakref.ref[Round]] = []   # in progress, the oldest first
        self._last: Place | None = None               # of the last round that began when no other was in progress
        self._resumed: Place | None = None            # where the next round goes on

    def __len__(self) -> int:
        return self._count(len(self.dataset))

    def _count(self, items: int) -> int:
        return items // self.batch_size if self.drop_last else -(-items // self.batch_size)

    def __iter__(self) -> Round:
        place, self._resumed = self._resumed, None
        if place is None:
            place = Place(self._new_order(), 0)
        self._rounds = self._in_progress()
        found = Round(self, place, alone=not self._rounds)
        self._rounds.append(weakref.ref(found))
        return found

    def _in_progress(self) -> list[weakref.ref[Round]]:
        """Without the rounds that came to their end, or that nobody has any more."""
        return [ref for ref in self._rounds if (one := ref()) is not None and not one.over]

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

    def _batch(self, rows: list[int]):
        if self.collate_fn is default_collate and getattr(self.dataset, "batch", None) is not None:
            return self.dataset.batch(rows)
        return self.collate_fn([self.dataset[i] for i in rows])

    def state_dict(self) -> dict:
        """The order and the place in it, of plain numbers: those of the youngest round in progress, else of the one left last.

        Of several rounds at once each has its own ``state_dict``.
        """
        youngest = next((ref() for ref in reversed(self._in_progress())), None)
        place = self._resumed or (self._last if youngest is None else youngest.place)
        return {"order": None, "done": 0, "batch_size": self.batch_size} if place is None else place.state_dict(self.batch_size)

    def load_state_dict(self, state: dict) -> None:
        """Continue, at the next ``iter``, where ``state_dict`` was taken.

        Raises:
            ValueError: the state belongs to a dataset of another length or to batches of another size, or is damaged.
        """
        if not isinstance(state, dict) or not {"order", "done"} <= set(state):
            raise ValueError(f"DataLoader: the state is {str(state)[:60]}; expected what state_dict() gives")
        order, done, size = state["order"], state["done"], state.get("batch_size", self.batch_size)
        if order is None:
            self._last, self._resumed, self._rounds = None, None, []
            return
        if len(order) != len(self.dataset):
            raise ValueError(f"DataLoader: the state is of a dataset with {len(order)} items, this one has {len(self.dataset)}")
        if size != self.batch_size:
            raise ValueError(f"DataLoader: the state is of batches of {size} items, these have {self.batch_size}")
        if set(order) != set(range(len(order))) or not isinstance(done, int) or not 0 <= done <= len(self):
            raise ValueError("DataLoader: the state is damaged: its order does not have each item once, or its place is none of "
                             f"{len(self)} batches")
        place = Place(list(order), done)
        self._last, self._resumed, self._rounds = place, place if done < len(self) else None, []


class Place:
    """The order of one round, and how many of its batches were handed out."""

    def __init__(self, order: list[int], done: int):
        self.order, self.done = order, done

    def state_dict(self, batch_size: int) -> dict:
        return {"order": self.order, "done": self.done, "batch_size": batch_size}


class Round:
    """One time through a DataLoader: an iterator of batches, with its own order, place and thread.

    An error of the dataset, or of ``collate_fn``, belongs to its batch: the round goes on with the next one, as PyTorch's.
    """

    def __init__(self, loader: DataLoader, place: Place, alone: bool):
        self.place, self.over = place, False
        self._alone = alone   # a look at the data in the middle of another round is no place to go on from
        self._loader, self._size, self._count = loader, loader.batch_size, loader._count(len(place.order))
        self._ahead: Ahead | None = None

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Round:
        return self

    def __next__(self):
        number = self.place.done
        if number >= self._count:
            self.over = True
            self.close()
            raise StopIteration
        self.place.done = number + 1
        if self._alone:
            self._loader._last = self.place
        if not self._loader.prefetch:
            return _prepare(self._loader._batch, self._rows(number))
        if self._ahead is None:
            self._ahead = Ahead(self._loader._batch, [self._rows(i) for i in range(number, self._count)], self._loader.prefetch)
        return self._ahead.get()

    def _rows(self, number: int) -> list[int]:
        return self.place.order[number * self._size:(number + 1) * self._size]

    def state_dict(self) -> dict:
        """The order and the place in it, for ``DataLoader.load_state_dict``."""
        return self.place.state_dict(self._size)

    def close(self) -> None:
        """End the thread, if there is one; another ``next`` would start it again."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.close()

    def __del__(self):
        if getattr(self, "_ahead", None) is not None and not sys.is_finalizing():   # at the exit daemon threads stand still
            self.close()


def _prepare(make: Callable, rows: list[int]):
    try:
        return make(rows)
    except StopIteration as error:   # it would end the loop as if all had been well
        raise RuntimeError(f"DataLoader: the dataset raised StopIteration for the items {rows}") from error


class Ahead:
    """A thread that prepares batches, at most ``size`` more than were asked for; it knows nothing of who asks."""

    def __init__(self, make: Callable, batches: list[list[int]], size: int):
        ready: queue.SimpleQueue = queue.SimpleQueue()
        room, stop = threading.Semaphore(size), threading.Event()

        def work() -> None:
            for rows in batches:
                room.acquire()
                if stop.is_set():
                    return
                try:
                    ready.put((_prepare(make, rows), None))
                except BaseException as error:   # raised again in the thread that asked
                    ready.put((None, error))

        self._ready, self._room, self._stop = ready, room, stop
        self._thread = threading.Thread(target=work, daemon=True, name="tinymm-prefetch")
        self._thread.start()

    def get(self):
        batch, error = self._ready.get()
        self._room.release()
        if error is not None:
            raise error
        return batch

    def close(self) -> None:
        self._stop.set()
        self._room.release()
        if self._thread is not threading.current_thread():   # which may be the one that collects garbage
            self._thread.join(timeout=1.0)                   # a batch in the making is not waited for longer
