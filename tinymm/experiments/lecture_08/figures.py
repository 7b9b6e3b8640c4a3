"""The figures of lecture 8."""

from __future__ import annotations

import math

import numpy as np

from ... import plot
from ...autograd import Tensor, no_grad
from ...data.worlds.sprites import COLOURS, SHAPES
from ...data.worlds.web_pictures import ATTACKS, CLASSES, Attacked, is_novel
from ...metrics import confusion
from ...models.clip import CLIP, zero_shot_weights
from ...text.clip_tokenizer import CLIPTokenizer
from ..captioning.parts import captions_of
from ..clip_stage import pictures
from .data import SHAPE_PROMPT, Photographs, Web
from .evaluation import Measured, zero_shot_scores
from .snapshots import Snapshots
from .systems import Trained

TABLE = {"sprites": "sprites", "digits": "digits", "actions": "actions", "seen pairs": "pairs seen",
         "unseen pairs": "pairs unseen", "unseen among themselves": "of the 6 unseen"}   # columns
EXAMPLES = 4   # pictures of each dataset with what is said of them


def loss(trainer):
    """The contrastive loss of each step."""
    pairs, history = trainer.loader.batch_size, trainer.history
    return plot.loss_curves({"training": history["loss"]}, ylabel="contrastive loss (nats)", chance={
        f"ln {pairs}: nothing known": math.log(pairs), "unrelated, as first spread": history["first loss, if unrelated"][0]})


def temperature(trainer):
    """e^t after each step."""
    return plot.loss_curves({"1 / temperature": trainer.history["1 / temperature"]}, ylabel="1 / temperature",
                            chance={"1 / 0.07, its start": 1 / 0.07}, smooth=1)


def progress(trainer):
    """Zero-shot accuracy after each round, on validation pictures."""
    curves = {name: trainer.history[f"zero-shot {name}"] for name in CLASSES}
    return plot.loss_curves(curves, xlabel="round", ylabel="zero-shot accuracy (validation)",
                            x={name: range(1, len(values) + 1) for name, values in curves.items()})


def similarity(snapshots: Snapshots, texts):
    """Cosines of texts and pictures before, early in and after the training; what belongs together is on the diagonal."""
    taken = snapshots.taken
    rounds = len(taken) - 1
    chosen = dict.fromkeys([0, min(1, rounds), rounds])
    panels = {"before training" if i == 0 else f"after {i} of {rounds} rounds": np.array(taken[i]).T for i in chosen}
    return plot.heatmap(panels, rows=texts, xlabel="picture", colorbar="cosine", limits=(-1, 1),
                        title="Every picture with every text; what belongs together is on the diagonal")


def classifier(model: CLIP, tokenizer: CLIPTokenizer):
    """Cosines of the zero-shot weights of shapes and colours: what the text tower has made of names."""
    names = [*SHAPES, *COLOURS]
    weights = zero_shot_weights(model, tokenizer, names, SHAPE_PROMPT).cpu().numpy()
    return plot.heatmap(weights @ weights.T, rows=names, columns=names, colorbar="cosine", limits=(-1, 1), fmt="{:.1f}",
                        title="A classifier made of text: cosines of its weights")


def examples(model: CLIP, web: Web):
    """Test pictures with the class that the classifier from text gives them, and its probability: right and wrong ones.

    Of each dataset the first two that are right and the first two that are wrong, as far as there are such.
    """
    images, said, truth, right = [], [], [], []
    for name in CLASSES:
        dataset = web.labelled[name]["test"]
        p = Tensor(zero_shot_scores(model, web.tokenizer, name, dataset)).softmax(1).numpy()   # (N, C)
        best = p.argmax(1)
        hit = best == dataset.labels
        missed = np.flatnonzero(~hit)[:EXAMPLES // 2]
        for row in [*np.flatnonzero(hit)[:EXAMPLES - len(missed)], *missed]:
            images.append(dataset.images[row])
            said.append(f"{dataset.names[best[row]]} ({p[row, best[row]]:.2f})")
            truth.append(dataset.names[dataset.labels[row]])
            right.append(bool(hit[row]))
    return plot.caption_grid(images, said, truth, right, columns=EXAMPLES,
                             title="Classes from names alone, with their probabilities; below, what it is")


def attack(data: Attacked, said: dict[str, np.ndarray]):
    """Who is answered what: by the shape that is there, without and with a wrong word, and by the word."""
    n = len(SHAPES)
    panels = {"nothing pasted: shapes": confusion(data.shapes, said["nothing"], n),
              "wrong word: shapes": confusion(data.shapes, said["wrong word"], n),
              "wrong word: what is written": confusion(data.written, said["wrong word"], n)}
    return plot.heatmap(panels, rows=list(SHAPES), columns=list(SHAPES), xlabel="answered", limits=(0, 1), fmt="{:.2f}",
                        colorbar="share", title="A typographic attack: what is answered (columns) to what (rows)")


def attacked_pictures(data: Attacked, said: dict[str, np.ndarray], count: int = 3):
    """The same sprites without a label, with a blank one, with the right word and with a wrong one, and the answers.

    The first one that the wrong word does not mislead, then those that it does.
    """
    names, misled = list(SHAPES), said["wrong word"] == data.written
    rows = [*np.flatnonzero(~misled)[:1], *np.flatnonzero(misled)[:count - 1]]
    images = [data.images[kind][i] for i in rows for kind in ATTACKS]
    captions = [f"{kind}: {names[said[kind][i]]}" for i in rows for kind in ATTACKS]
    right = [bool(said[kind][i] == data.shapes[i]) for i in rows for kind in ATTACKS]
    return plot.caption_grid(images, captions, None, right, columns=len(ATTACKS),
                             title="Which shape is it? What is pasted, and the answer")


def attack_shares(found: dict[str, dict], data: Attacked):
    """Accuracy under each attack, and how often the wrong word is the answer."""
    groups = {"right": {kind: entry["accuracy"] for kind, entry in found.items()},
              "says the wrong word": {kind: found[kind]["answered with the wrong word"] for kind in ("blank label", "wrong word")}}
    chance = dict.fromkeys(groups, 1 / len(SHAPES))
    return plot.intervals(groups, dict.fromkeys(groups, len(data.shapes)), chance=chance, xlabel="share of the pictures")


def table(metrics: dict, web: Web):
    """The slide's table in miniature: two systems, three datasets, and sprites once more by what was seen."""
    systems = {"Visual N-Grams": metrics.get("visual n-grams"), "CLIP": metrics["zero-shot"]["ensemble"]}
    groups = {column: {name: found[key] for name, found in systems.items() if found is not None} for key, column in TABLE.items()}
    sprites = web.labelled["sprites"]["test"]
    unseen = int(np.isin(sprites.labels, np.flatnonzero(is_novel())).sum())
    counts = {TABLE[name]: len(web.labelled[name]["test"]) for name in CLASSES}
    counts |= dict(zip(list(TABLE.values())[len(CLASSES):], (len(sprites) - unseen, unseen, unseen)))
    return plot.intervals(groups, counts, xlabel="zero-shot accuracy")


def ways(metrics: dict, web: Web):
    """Accuracy by the name alone, one prompt, an ensemble, and a linear probe."""
    kinds = {**metrics["zero-shot"], "linear probe": metrics.get("linear probe", {}).get("accuracy")}
    groups = {name: {kind: found[name] for kind, found in kinds.items() if found is not None} for name in CLASSES}
    return plot.intervals(groups, {name: len(web.labelled[name]["test"]) for name in CLASSES},
                          chance={name: 1 / len(CLASSES[name]) for name in CLASSES}, xlabel="accuracy")


def found_texts(model: CLIP, photographs: Photographs, count: int = 12):
    """Test photographs with the text that fits best among all test texts; below, their own."""
    part, device = photographs.parts["test"], model.logit_scale.device
    count, texts = min(count, len(part)), captions_of(part)
    images = part.images(range(count))
    with no_grad():
        logits, _ = model(pictures(images).to(device), Tensor(photographs.ids(texts)).to(device))
    best = logits.cpu().numpy().argmax(1)
    return plot.caption_grid(list(images), [texts[i] for i in best], texts[:count], list(best == np.arange(count)),
                             title=f"The best of {len(texts)} texts for photographs it has never seen; below, their own")


def photo_figures(trained: Trained, photographs: Photographs) -> dict:
    """File name -> Figure, for a training on photographs."""
    return {"loss.png": loss(trained.trainer), "temperature.png": temperature(trained.trainer),
            "similarity.png": similarity(trained.snapshots, photographs.shown[1]),
            "found.png": found_texts(trained.model, photographs)}


def all_figures(trained: Trained, measured: Measured, web: Web) -> dict:
    """File name -> Figure, for a trained and measured experiment."""
    trainer, model, metrics = trained.trainer, trained.model, measured.metrics
    return {
        "loss.png": loss(trainer), "temperature.png": temperature(trainer), "zero_shot.png": progress(trainer),
        "similarity.png": similarity(trained.snapshots, web.shown[1]),
        "classifier.png": classifier(model, web.tokenizer), "examples.png": examples(model, web),
        "attack.png": attack(web.attacked, measured.said), "attacked_pictures.png": attacked_pictures(web.attacked, measured.said),
        "attack_shares.png": attack_shares(metrics["attack"], web.attacked), "table.png": table(metrics, web),
        "ways.png": ways(metrics, web)}
