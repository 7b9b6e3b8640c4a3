"""phi(t) of the captions of birds and flowers, as their authors computed it with char-CNN-RNN.

    CLASS/IMAGE.t7     a table whose ``txt`` is (10, 1024), a row for each caption, and whose ``img`` names the picture
    stackgan.npz       what ``convert_stackgan`` makes of StackGAN's pickles; one file for each part
"""

from __future__ import annotations

import os
import pathlib

import numpy as np

from .char_captions import CAPTIONS, ClassDataset, places
from .stackgan_pickles import CONVERTED, EMBEDDINGS, read_stackgan
from .torch7 import read_torch7

READER = "read_text_embeddings"


def read_text_embeddings(root: str | os.PathLike, dataset: ClassDataset) -> np.ndarray | None:
    """The published phi of a dataset's captions, where they lie in its folder.

    Args:
        root: the dataset's folder; ``CLASS/IMAGE.t7`` lie in it or in a folder of it, or ``stackgan.npz`` at most two folders
            deep. The former are taken if there are both.
        dataset: of ``read_cub`` or ``read_oxford102``.

    Returns:
        (N, 10, d) float32, a row for each picture of the dataset; None where the folder has neither.

    Raises:
        FileNotFoundError: pickles of StackGAN that have not been converted; a picture without its file.
        ValueError: a damaged file, embeddings of another shape or picture, a picture that no file has.
    """
    root = pathlib.Path(root)
    files = [f"{dataset.classes[record.label]}/{record.path.stem}.t7" for record in dataset.records]
    place = next((p for p in places(root) if any((p / file).is_file() for file in files[:20])), None)
    if place is not None:
        return _stacked([_of_torch7(place / file) for file in files], place)
    found = sorted([*root.glob(CONVERTED), *root.glob(f"*/{CONVERTED}"), *root.glob(f"*/*/{CONVERTED}")])
    if not found:
        pickles = sorted([*root.glob(EMBEDDINGS), *root.glob(f"*/{EMBEDDINGS}"), *root.glob(f"*/*/{EMBEDDINGS}")])
        if pickles:
            raise FileNotFoundError(f"{READER}: {pickles[0]} is a pickle, which is not read; convert each part first: "
                                    f"tinymm.data.convert_stackgan({str(pickles[0].parent)!r})")
        return None
    of_name: dict[str, np.ndarray] = {}
    for part in map(read_stackgan, found):
        of_name.update(zip(part.names, part.embeddings))
    names = [f"{record.path.parent.name}/{record.path.stem}" for record in dataset.records]
    if missing := [name for name in names if name not in of_name]:
        raise ValueError(f"{READER}: {len(missing)} of {len(names)} pictures are not in {', '.join(map(str, found))}, the first is "
                         f"{missing[0]!r}; expected embeddings for all")
    return _stacked([of_name[name] for name in names], found[0])


def _of_torch7(path: pathlib.Path) -> np.ndarray:
    content = read_torch7(path)
    table: dict = content if isinstance(content, dict) else {}
    txt, named = table.get("txt"), table.get("img")
    if not isinstance(txt, np.ndarray) or txt.ndim != 2 or txt.dtype.kind != "f":
        has = f"a table of {sorted(map(str, content))}" if isinstance(content, dict) else f"a {type(content).__name__}"
        raise ValueError(f"{READER}: {path} holds {has}; expected a table with 'txt', ({CAPTIONS}, d) floats")
    if isinstance(named, str) and pathlib.PurePosixPath(named).stem != path.stem:
        raise ValueError(f"{READER}: {path} is about the picture {named[:80]!r}; expected {path.stem}")
    return txt


def _stacked(rows: list[np.ndarray], where: pathlib.Path) -> np.ndarray:
    shapes = sorted({row.shape for row in rows})
    if len(shapes) > 1 or shapes[0][0] != CAPTIONS:
        raise ValueError(f"{READER}: {where} has embeddings of shapes {shapes[:5]}; expected ({CAPTIONS}, d), the same d for all")
    found = np.stack(rows).astype(np.float32)                              # (N, 10, d)
    if not np.isfinite(found).all():
        raise ValueError(f"{READER}: {where}: an embedding with a number that is not finite in float32")
    return found
