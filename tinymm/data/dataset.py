"""Datasets: anything with a length and items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..autograd import Tensor
from ..backend.random import Stream, stream


class Dataset:
    """Base of datasets: write ``__getitem__(index)`` and ``__len__``."""

    def __getitem__(self, index: int):
        raise NotImplementedError(f"{type(self).__name__}: __getitem__ is not written")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__}: __len__ is not written")


class TensorDataset(Dataset):
    """Item i is the tuple of the i-th rows of the tensors.

    Raises:
        ValueError: tensors of different lengths.
    """

    def __init__(self, *tensors: Tensor):
        lengths = [len(t) for t in tensors]
        if len(set(lengths)) > 1:
            raise ValueError(f"TensorDataset: the tensors have {lengths} rows; they must agree")
        self.tensors = tensors

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, ...]:
        """Several items at once, already stacked; a DataLoader uses it instead of collecting them one by one."""
        rows = np.asarray(indices, dtype=np.int64)
        return tuple(t[rows] for t in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0]) if self.tensors else 0


class Subset(Dataset):
    """The items of another dataset at the given indices."""

    def __init__(self, dataset, indices: Sequence[int]):
        self.dataset, self.indices = dataset, list(indices)

    def __getitem__(self, index: int):
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def batch(self):
        """The other dataset's ``batch`` on these indices; None where it has none."""
        whole = getattr(self.dataset, "batch", None)
        return None if whole is None else lambda indices: whole([self.indices[i] for i in indices])


def random_split(dataset, lengths: Sequence[int], generator: Stream | str | None = None) -> list[Subset]:
    """Cut a dataset at random into parts of the given lengths.

    Raises:
        ValueError: lengths that do not add up to the dataset's.
    """
    if sum(lengths) != len(dataset):
        raise ValueError(f"random_split: lengths {list(lengths)} add up to {sum(lengths)}, the dataset has {len(dataset)} items")
    order = stream(generator, "data").generator.permutation(len(dataset)).tolist()
    parts, start = [], 0
    for n in lengths:
        parts.append(Subset(dataset, order[start:start + n]))
        start += n
    return parts
