"""The alignment on photographs with boxes: COCO's instances, Flickr30k Entities.

They take the path of the scenes: the pixels of every box through the same frozen CNN, which knows sprites and no
photographs, so the numbers are no reproduction and there are no claims. People have drawn the boxes, where the paper's come
from a detector. Flickr30k Entities says which words belong to which boxes, and is asked only after the training.

Features of another CNN, a real one, are taken from a folder ``features`` beside the data, where it is there: for each picture
a file NAME.npy, NAME.mat or NAME.h5 (see ``read_region_features``) with a row for each of its boxes, in the reader's order,
and a last one for the whole picture.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from ...autograd import no_grad
from ...backend.random import Stream
from ...data import RegionDataset, read_region_features
from ...data.readers.regions import Phrase
from ...data.worlds.region_scenes import RegionScene
from ...metrics import retrieval_scores
from ...models.visual_semantic import VisualSemanticAlignment
from ...nn.chunks import in_chunks
from ...text import plain_words
from ..captioning.datasets import open_regions
from ..captioning.parts import divided
from ..claims import Claim
from ..experiment import Measured
from .alignment import Aligned
from .claims import ROWS
from .data import Pairs, Part, Setting
from .evaluation import WAYS, of_scenes
from .pointing import stages

VARIANTS = ("alignment", "no_context", "sum")
SIDE = 160           # pixels of a photograph's longer side
MOST = 19            # boxes of a picture beside the whole: the largest ones
CHUNK = 50           # pictures that are scored at a time
ENDINGS = (".npy", ".mat", ".h5", ".hdf5")   # of files of features

__all__ = ["VARIANTS", "photo_parts", "stages", "evaluate", "claims_of", "all_figures"]


@dataclasses.dataclass(frozen=True)
class Photographs(Part):
    """A part whose pictures have several captions.

    Attributes:
        owner: the picture of each caption.
        phrases: for each caption what people have linked with the picture's boxes; empty if the dataset does not say.
    """

    owner: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, np.int64))
    phrases: Sequence[Sequence[Phrase]] = ()


@dataclasses.dataclass
class Found(Measured):
    """The measurements, and v_i . s_t of the test captions, (K, T, M)."""

    scores: np.ndarray


def photo_parts(data: str, root: str, counts: Mapping[str, int], seed: int) -> dict[str, Part]:
    """Photographs as "train", "validation" and "test"; validation has one caption a picture, the others have all.

    Args:
        data, root: as for ``open_regions``.
        counts: pictures of each part, at most.
        seed: of the choice.

    Raises:
        FileNotFoundError, ValueError: missing or damaged files, too few pictures, a part without a caption that has words.
    """
    parts: dict[str, Part] = {}
    folder = pathlib.Path(root) / "features"
    print(f"{data}: " + (f"features of regions are those in {folder}" if folder.is_dir() else
                         "features of regions are those of the lecture's own CNN, which knows sprites only"))
    for name, dataset in divided(3, data, root, open_regions(data, root, (SIDE, SIDE)), seed).items():
        order = Stream(f"{data} {name}", seed).generator.permutation(len(dataset)).tolist()
        told = [i for i in order if any(map(plain_words, dataset.records[i].captions))]
        if not told:
            raise ValueError(f"lecture 3: {data}: no picture for {name} has a caption with a word in it; it takes more data")
        rows = told[:counts[name]]
        print(f"{data}: {len(rows)} of {len(dataset)} pictures for {name}")
        parts[name] = photographs(dataset, rows, 1 if name == "validation" else None, folder if folder.is_dir() else None)
    lengths = {part.features[0].shape[1] for part in parts.values() if part.features}
    if len(lengths) > 1:
        raise ValueError(f"lecture 3: the pictures in {folder} have features of lengths {sorted(lengths)}; all need the same")
    return parts


def photographs(dataset: RegionDataset, rows: Sequence[int], most: int | None = None,
                folder: pathlib.Path | None = None) -> Photographs:
    """Some pictures of a dataset, read now and kept in a byte a number, with their captions that have words.

    Args:
        dataset: of photographs.
        rows: which pictures.
        most: captions of a picture; None for all.
        folder: of features, if there are any.
    """
    images, boxes, captions, owner, phrases = [], [], [], [], []
    features: list[np.ndarray] = []
    for n, i in enumerate(rows):
        picture, _, found = dataset[i]
        images.append(np.round(255 * picture).astype(np.uint8))
        kept, places = pixel_boxes(found, *picture.shape[1:])
        boxes.append(kept)
        if folder is not None:
            of_boxes = read_region_features(features_file(folder, dataset.records[i].path.stem), regions=len(found) + 1,
                                            features=features[0].shape[1] if features else None)
            features.append(of_boxes[[*places, -1]])
        for words, linked in plain_captions(dataset, i, places)[:most]:
            captions.append(words)
            phrases.append(linked)
            owner.append(n)
    return Photographs(images, boxes, captions, features=features, owner=np.array(owner),
                       phrases=phrases if dataset.records[rows[0]].phrases is not None else ())


def features_file(folder: pathlib.Path, name: str) -> pathlib.Path:
    """The file of a picture's features.

    Raises:
        FileNotFoundError: there is none.
    """
    found = next((file for ending in ENDINGS if (file := folder / f"{name}{ending}").is_file()), None)
    if found is None:
        raise FileNotFoundError(f"lecture 3: {folder} has no {' or '.join(name + ending for ending in ENDINGS)}; it must have a "
                                f"file for every picture, or be taken away")
    return found


def pixel_boxes(boxes: np.ndarray, height: int, width: int) -> tuple[np.ndarray, dict[int, int]]:
    """The largest boxes in whole pixels, and the whole picture, which comes last.

    Args:
        boxes: (M, 4) left, top, right, bottom.
        height, width: of the picture.

    Returns:
        (at most ``MOST`` + 1, 4) int64 (top, left, bottom, right), and where each box that is kept has come.
    """
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = np.sort(np.argsort(-areas, kind="stable")[:MOST])
    left, top, right, bottom = boxes[kept].T
    left, top = np.minimum(np.floor(left), width - 1), np.minimum(np.floor(top), height - 1)   # a pixel is left of each
    right, bottom = np.maximum(np.ceil(right), left + 1), np.maximum(np.ceil(bottom), top + 1)
    return (np.vstack([np.stack([top, left, bottom, right], 1), [0, 0, height, width]]).astype(np.int64),
            {int(old): new for new, old in enumerate(kept)})


def plain_captions(dataset: RegionDataset, index: int, places: Mapping[int, int]) -> list[tuple[list[str], list[Phrase]]]:
    """The captions of a picture that have words, as plain words, and their phrases that have boxes among those kept.

    Args:
        dataset, index: which picture.
        places: where each box that is kept has come.
    """
    record, found = dataset.records[index], []
    tokens = record.tokens or ()
    for of_caption, linked in zip(tokens, record.phrases or [()] * len(tokens), strict=True):
        words: list[str] = []
        at = [0]                                                           # of each token, and of the end
        for token in of_caption:
            words += plain_words(token)
            at.append(len(words))
        kept = [Phrase(at[p.start], at[p.stop], tuple(places[box] for box in p.boxes if box in places)) for p in linked]
        if words:
            found.append((words, [p for p in kept if p.boxes and p.start < p.stop]))
    return found


def evaluate(setting: Setting, trained: Aligned) -> Found:
    """Who finds whom among the test pictures and all their captions; and where the dataset says it, which box is meant."""
    parts, test, pairs = setting.parts, setting.parts["test"], trained.pairs["test"]
    assert isinstance(test, Photographs)
    for model in trained.models.values():
        model.eval()
    scores = {row: model.word_scores(*pairs.batch(slice(None), setting.device)) for row, model in trained.models.items()}
    metrics = {"retrieval": {row: retrieval(model, pairs, test.owner, setting.device) for row, model in trained.models.items()},
               "pictures": {name: len(part.images) for name, part in parts.items()},
               "captions": {name: len(part) for name, part in parts.items()}, "vocabulary": len(setting.vocabulary),
               "regions": float(np.mean([len(boxes) for boxes in test.boxes]))}
    if any(test.phrases):
        metrics["pointing"] = {row: pointing(of_row, test) for row, of_row in scores.items()}
    return Found(metrics, scores[ROWS[setting.variant]])


def retrieval(model: VisualSemanticAlignment, pairs: Pairs, owner: np.ndarray, device: str) -> dict[str, dict[str, float]]:
    """``retrieval_scores`` of pictures and all captions, by S_kl.

    Args:
        model: in evaluation.
        pairs: a row for each caption.
        owner: the picture of each caption.
        device: of the model.
    """
    first = np.unique(owner, return_index=True)[1]                         # a row of each picture
    *_, S = pairs.batch(slice(None), device)
    with no_grad():
        scores = in_chunks(lambda rows: model(*pairs.batch(first[rows.start:rows.stop], device)[:2], S).cpu().numpy(), len(first),
                           CHUNK)
    return retrieval_scores(np.concatenate(scores), owner, ways=WAYS)


def pointing(scores: np.ndarray, part: Photographs) -> dict[str, float]:
    """How often the best region is one of the boxes that people have linked.

    Args:
        scores: v_i . s_t, (K, T, M), -inf where there is no region.
        part: K captions with phrases.

    Returns:
        "words": of each word of a phrase; "phrases": by the sum over the words of a phrase; "chance": one region in M.
    """
    words, phrases, chance = [], [], []
    for of_caption, linked, n in zip(scores, part.phrases, part.owner, strict=True):
        for phrase in linked:
            of_phrase = of_caption[phrase.start:phrase.stop, :len(part.boxes[n])]                     # (words, M)
            words += np.isin(of_phrase.argmax(1), phrase.boxes).tolist()
            phrases.append(of_phrase.sum(0).argmax() in phrase.boxes)
            chance.append(len(phrase.boxes) / of_phrase.shape[1])
    return {name: float(np.mean(hits)) for name, hits in (("words", words), ("phrases", phrases), ("chance", chance))}


def claims_of(variant: str, metrics: dict) -> list[Claim]:
    """None: the thresholds are those of the scenes."""
    return []


def all_figures(setting: Setting, trained: Aligned, measured: Found) -> dict:
    """File name -> Figure: the first captions of the first test pictures, by the regions of their words."""
    from .figures import SCENES, aligned_sentences

    test = setting.parts["test"]
    assert isinstance(test, Photographs)
    rows = np.unique(test.owner, return_index=True)[1][:SCENES].tolist()
    words = [tuple(map(str, test.captions[row])) for row in rows]
    shown = [RegionScene(test.images[n], (), test.boxes[n], np.full(len(test.boxes[n]), -1), said, (), (), ())
             for n, said in enumerate(words)]
    return {"alignment.png": aligned_sentences(shown, of_scenes(measured.scores[rows], shown))}
