"""The figures of lecture 8."""

from __future__ import annotations

import math

import numpy as np

from ... import plot
from ...autograd import Tensor, no_grad
from ...data.worlds.sprites import COLOURS, SHAPES
from ...data.worlds.web_pictures import ATTACKS, CLASSES, Attacked
from ...metrics import confusion
from ...models.clip import CLIP, zero_shot, zero_shot_weights
from ...text.clip_tokenizer import CLIPTokenizer
from .data import PROMPTS, SHAPE_PROMPT, Photographs, Web, captions_of, pictures
from .evaluation import Measured
from .snapshots import Snapshots
from .systems import Trained

TABLE = {"sprites": "sprites", "digits": "digits", "actions": "actions", "seen pairs": "pairs seen",
         "unseen pairs": "pairs unseen", "unseen among themselves": "of the 6 unseen"}   # columns
EXAMPLES = {"sprites": 4, "digits": 4, "actions": 4}      # pictures with what is said of them


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
    """Test pictures with the class that the classifier from text gives them, and its probability."""
    images, said, truth, right = [], [], [], []
    for name, count in EXAMPLES.items():
        dataset = web.labelled[name]["test"]
        rows = (7 * np.arange(count) + 3) % len(dataset)   # classes stand in turn: these are different ones
        weights = zero_shot_weights(model, web.tokenizer, dataset.names, PROMPTS[name]["ensemble"])
        logits = zero_shot(model, pictures(dataset.images[rows]).to(model.logit_scale.device), weights)
        p = logits.softmax(1).cpu().numpy()
        for i, row in enumerate(rows):
            best = int(p[i].argmax())
            images.append(dataset.images[row])
            said.append(f"{dataset.names[best]} ({p[i, best]:.2f})")
            truth.append(dataset.names[dataset.labels[row]])
            right.append(best == dataset.labels[row])
    return plot.caption_grid(images, said, truth, right, columns=6,
                             title="Classes from names alone, with their probabilities; below, what it is")


def attack(data: Attacked, said: dict[str, np.ndarray]):
    """Who is answered what: by the shape that is there, without and with a wrong word, and by the word."""
    n = len(SHAPES)
    panels = {"nothing pasted: shapes": confusion(data.shapes, said["nothing"], n),
              "wrong word: shapes": confusion(data.shapes, said["wrong word"], n),
              "wrong word: what is written": confusion(data.written, said["wrong word"], n)}
    return plot.heatmap(panels, rows=list(SHAPES), columns=list(SHAPES), xlabel="answered", limits=(0, 1), fmt="{:.2f}",
                        colorbar="share", title="A typographic attack: what is answered (columns) to what (rows)")


def attacked_pictures(data: Attacked, said: dict[str, np.ndarray], count: int = 6):
    """The same sprites without a label, with a blank one, with the right word and with a wrong one, and the answers."""
    names = list(SHAPES)
    images = [data.images[kind][i] for kind in ATTACKS for i in range(count)]
    captions = [names[said[kind][i]] for kind in ATTACKS for i in range(count)]
    return plot.caption_grid(images, captions, None, [said[kind][i] == data.shapes[i] for kind in ATTACKS for i in range(count)],
                             columns=count, title="Which shape is it? " + ", ".join(ATTACKS))


def attack_bars(found: dict[str, dict]):
    """Accuracy under each attack, and how often the wrong word is the answer."""
    values = {kind: entry["accuracy"] for kind, entry in found.items()}
    values |= {f"{kind}: answered with the word": found[kind]["answered with the wrong word"]
               for kind in ("blank label", "wrong word")}
    colors = [plot.COLORS[0]] * len(found) + [plot.COLORS[1]] * 2
    return plot.bars(values, ylabel="share of the pictures", line=(f"chance, 1 / {len(SHAPES)}", 1 / len(SHAPES)), colors=colors)


def table(metrics: dict):
    """The slide's table in miniature: two systems, three datasets, and sprites once more by what was seen."""
    systems = {"Visual N-Grams": metrics.get("visual n-grams"), "CLIP": metrics["zero-shot"]["ensemble"]}
    systems = {name: found for name, found in systems.items() if found is not None}
    values = {f"{column}, {system}": found[key] for key, column in TABLE.items() for system, found in systems.items()}
    return plot.bars(values, ylabel="zero-shot accuracy", colors=[plot.COLORS[i] for _ in TABLE for i in range(len(systems))],
                     title=" and ".join(systems))


def ways(metrics: dict):
    """Accuracy by the name alone, one prompt, an ensemble, and a linear probe."""
    kinds = {**metrics["zero-shot"], "linear probe": metrics.get("linear probe", {}).get("accuracy")}
    kinds = {kind: found for kind, found in kinds.items() if found is not None}
    values = {f"{name}, {kind}": found[name] for name in CLASSES for kind, found in kinds.items()}
    return plot.bars(values, ylabel="accuracy", colors=[plot.COLORS[i] for _ in CLASSES for i in range(len(kinds))])


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
        "attack_bars.png": attack_bars(metrics["attack"]), "table.png": table(metrics), "ways.png": ways(metrics)}
