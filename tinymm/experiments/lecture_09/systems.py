"""The models of lecture 9 and their trainings, one after the other: the dVAE, the Transformer on its tokens, and CLIP."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from typing import Any

import numpy as np

from ... import nn, optim
from ...autograd import Tensor
from ...backend.random import Stream, manual_seed
from ...data import DataLoader, TensorDataset
from ...models.clip import CLIP
from ...models.dalle import DVAE, DALLETransformer, dalle_loss, half_cosine
from ...nn.chunks import array_in_chunks, in_chunks
from ...optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from ...train import Trainer
from ..captioning.parts import shuffled
from ..clip_stage import clip_stage
from ..experiment import At
from .data import Part, Setting, Sizes, enlarged, scaled

CHUNK = 500                      # pictures at a time
TAU_SHARE, BETA_SHARE = 0.8, 0.1   # of the dVAE's steps, in which tau falls and beta rises
LAST_LR = 1 / 80                 # of the dVAE's first rate; 1.25e-6 / 1e-4 in the paper
WEIGHT_DECAY = 1e-4              # of the dVAE, as in the paper; the next three are the paper's for the Transformer
BETAS, DECAY, MAX_NORM = (0.9, 0.96), 4.5e-2, 4.0
MAIN, WITHOUT_KL = "default", "beta0"


def build_dvae(sizes: Sizes) -> DVAE:
    """The first stage, untrained."""
    return DVAE(sizes.codes, sizes.n_hid, sizes.groups, sizes.n_init, sizes.blocks)


def build_transformer(sizes: Sizes, vocabulary: int, variant: str = MAIN) -> DALLETransformer:
    """The second stage, untrained, for a vocabulary of so many text tokens; in the variant "dense" with full attention."""
    return DALLETransformer(vocabulary, sizes.codes, sizes.text_length, sizes.grid, sizes.d_model, sizes.layers, sizes.heads,
                            kernel=sizes.kernel, attention="full" if variant == "dense" else "sparse")


def build_clip(sizes: Sizes, vocabulary: int) -> CLIP:
    """The ranker of samples, untrained: a ResNet with one block for each size of its maps."""
    return CLIP(sizes.clip_embedding, sizes.clip_pixels, [1, 1, 1, 1], sizes.clip_width, None, sizes.text_length, vocabulary,
                sizes.clip_text, 2, 2, vision_heads=8)


@dataclasses.dataclass
class Trained:
    """What the trainings yield; all models are in evaluation mode.

    Attributes:
        dvaes: name -> the average of a dVAE's weights: "default", and in the variant "beta0" that one, too.
        transformer: DALLETransformer; clip: CLIP; None where the variant has none.
        trainers: stage -> its Trainer.
    """

    dvaes: dict[str, DVAE]
    transformer: Any = None
    clip: Any = None
    trainers: dict[str, Trainer] = dataclasses.field(default_factory=dict)

    @property
    def dvae(self) -> DVAE:
        """The one whose tokens the Transformer learns."""
        return self.dvaes[MAIN]

    @property
    def histories(self) -> dict[str, dict[str, list[float]]]:
        """Name of a dVAE -> the history of its training."""
        return {name: self.trainers[stage_of(name)].history for name in self.dvaes}


def stage_of(name: str) -> str:
    """The name of a dVAE's stage."""
    return "dvae" if name == MAIN else f"dvae_{name}"


# ---------------------------------------------------------------------- stage 1

def dvae_stage(dvae: DVAE, train: Part, held: Part, sizes: Sizes, beta: float, *, device: str = "cpu", **trainer) -> Trainer:
    """A Trainer of a dVAE and of the average of its weights, which is what is used: its ``model`` has "model" and "ema".

    Tau, beta and the rate are plain functions of the step. After each round what ``reconstruction`` measures of the average is
    recorded, with the tau and the beta of that time.

    Args:
        dvae: untrained.
        train, held: pictures to learn from, and for the validation.
        sizes: of the training.
        beta: the KL's weight after its rise.
        trainer: more arguments for the Trainer.
    """
    loader = DataLoader(TensorDataset(Tensor(train.images)), min(sizes.dvae_batch, len(train)), shuffle=True, drop_last=True)
    optimizer = optim.AdamW(dvae.parameters(), lr=sizes.dvae_lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=WEIGHT_DECAY)
    ema, total = AveragedModel(dvae, multi_avg_fn=get_ema_multi_avg_fn(sizes.ema)), sizes.dvae_rounds * len(loader)
    average: Any = ema.module
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, total, sizes.dvae_lr * LAST_LR)
    tau = lambda k: half_cosine(k, 1.0, sizes.tau, max(1, round(TAU_SHARE * total)))
    weight = lambda k: half_cosine(k, 0.0, beta, max(1, round(BETA_SHARE * total)))

    def step(batch):
        k, (images,) = stage.steps, batch
        loss, numbers = dvae.loss(images.to(device).float() / 255, tau(k), weight(k))
        return loss, {**numbers, "tau": tau(k), "beta": weight(k)}

    def validate():
        k, (found, _) = stage.steps, reconstruction(average, held, tau(stage.steps), device=device)
        return {"round's KL": found.pop("KL"), **found, "round's tau": tau(k), "round's beta": weight(k)}   # "KL" is of each step

    stage = Trainer(nn.ModuleDict({"model": dvae, "ema": ema}), optimizer, loader, step, sizes.dvae_rounds, scheduler=schedule,
                    after=lambda: ema.update_parameters(dvae), validate=validate, **trainer)
    return stage


def encoded(dvae: DVAE, images: np.ndarray, device: str = "cpu") -> np.ndarray:
    """The tokens of pictures, uint8 (N, 3, S, S) -> (N, h, w) int64."""
    return array_in_chunks(dvae.tokens, lambda rows: scaled(images[rows.start:rows.stop]), len(images), CHUNK, device)


def decoded(dvae: DVAE, tokens: np.ndarray, device: str = "cpu") -> np.ndarray:
    """Pictures of tokens, (N, h, w) int64 -> (N, 3, S, S) float32 in [0, 1]."""
    return array_in_chunks(dvae.decode, lambda rows: tokens[rows.start:rows.stop], len(tokens), CHUNK, device)


def reconstruction(dvae: DVAE, part: Part, tau: float, seed: int = 0, device: str = "cpu") -> tuple[dict, np.ndarray]:
    """How well a dVAE, in evaluation mode, says pictures again.

    "NLL hard" and "MSE" are of the tokens, the arg-max without noise, as the Transformer meets them; "NLL relaxed" is of what the
    decoder was trained on, and no picture is drawn from that.

    Args:
        dvae: which one.
        part: pictures.
        tau: of the relaxation.
        seed: of the relaxation's noise, which leaves the training's streams alone.
        device: where the dVAE is.

    Returns:
        "MSE" of a value in [0, 1]; "codes" in use and their "perplexity"; "NLL relaxed" and "NLL hard" of a value, and "gap", the
        second less the first; "KL" of a token, all in nats; and the tokens (N, h, w).
    """
    noise = Stream("relaxation", seed)

    def measure(rows: range):
        x = Tensor(part.pixels(slice(rows.start, rows.stop))).to(device)
        relaxed = dvae.loss(x, tau, 0.0, noise)[1]
        tokens = dvae.tokens(x)
        error = ((dvae.decode(tokens) - x)**2).mean().item()
        hard = dvae.nll(x, dvae.decoder.embed(tokens)).mean().item()
        return len(rows) * np.array([error, relaxed["NLL"], hard, relaxed["KL"]]), tokens.cpu().numpy()

    sums, tokens = zip(*in_chunks(measure, len(part), CHUNK))
    error, relaxed, hard, kl = (float(value) for value in np.stack(sums).sum(0) / len(part))
    found = np.concatenate(tokens)
    p = np.bincount(found.reshape(-1), minlength=dvae.vocab_size) / found.size
    p = p[p > 0]
    return {"MSE": error, "codes": len(p), "perplexity": float(np.exp(-(p * np.log(p)).sum())), "NLL relaxed": relaxed,
            "NLL hard": hard, "gap": hard - relaxed, "KL": kl}, found


# ---------------------------------------------------------------------- stage 2

def transformer_stage(model: DALLETransformer, train: tuple[np.ndarray, np.ndarray], held: tuple[np.ndarray, np.ndarray],
                      sizes: Sizes, *, device: str = "cpu", **trainer) -> Trainer:
    """A Trainer that teaches the Transformer captions and tokens.

    Args:
        model: untrained.
        train: text (N, T) and tokens (N, h, w), int64.
        held: the same, for the validation.
        sizes: of the training.
        trainer: more arguments for the Trainer.
    """
    raster = lambda tokens: tokens.reshape(len(tokens), -1)
    loader = DataLoader(TensorDataset(Tensor(train[0]), Tensor(raster(train[1]))), min(sizes.batch, len(train[0])), shuffle=True,
                        drop_last=True)
    optimizer = optim.AdamW(model.parameters(), lr=sizes.lr, betas=BETAS, eps=1e-8, weight_decay=DECAY)
    total = sizes.rounds * len(loader)

    def step(batch):
        text, image = (t.to(device) for t in batch)
        text_logits, image_logits = model(text, image)
        loss, text_loss, image_loss = dalle_loss(text_logits, image_logits, text, image)
        return loss, {"text CE": text_loss.item(), "image CE": image_loss.item()}

    def validate():
        return {f"held {name}": value for name, value in predictions(model, *held, device=device).items()}

    return Trainer(model, optimizer, loader, step, sizes.rounds, max_norm=MAX_NORM, validate=validate,
                   scheduler=optim.lr_scheduler.WarmupCosineLR(optimizer, min(100, total // 4), total), **trainer)


def predictions(model: DALLETransformer, text: np.ndarray, tokens: np.ndarray, device: str = "cpu") -> dict[str, float]:
    """The cross-entropies of captions (N, T) and of tokens (N, h, w), in nats a token.

    Args:
        model: in evaluation mode.
        text: with ``PAD`` after each caption's end.
        tokens: of the pictures.
        device: where the model is.
    """
    def measure(rows: range):
        some, image = (Tensor(a[rows.start:rows.stop]).to(device) for a in (text, tokens.reshape(len(tokens), -1)))
        text_logits, image_logits = model(some, image)
        _, text_loss, image_loss = dalle_loss(text_logits, image_logits, some, image)
        real = int((text[rows.start:rows.stop, 1:] >= 0).sum())
        return np.array([text_loss.item() * real, real, image_loss.item() * len(rows), len(rows)])

    of_text, real, of_image, count = np.stack(list(in_chunks(measure, len(text), CHUNK))).sum(0)
    return {"text CE": float(of_text / max(real, 1)), "image CE": float(of_image / count)}


# ---------------------------------------------------------------------- all of them

def stages(setting: Setting, at: At) -> Generator[Trainer, None, Trained]:
    """The trainings of the variant, without the judge.

    Args:
        setting: of the run.
        at: name of a stage -> the Trainer's options.
    """
    sizes, parts, device, variant = setting.sizes, setting.parts, setting.device, setting.variant
    trained = Trained({})
    betas = {MAIN: sizes.beta, **({WITHOUT_KL: 0.0} if variant == WITHOUT_KL else {})}
    for name, beta in betas.items():
        manual_seed(setting.seed)   # both begin with the same weights, and see the same batches
        dvae = build_dvae(sizes).to(device)
        stage = dvae_stage(dvae, parts["train"], parts["validation"], sizes, beta, device=device, **at(stage_of(name)))
        yield stage
        trained.trainers[stage_of(name)] = stage
        both: Any = stage.model
        trained.dvaes[name] = both["ema"].module.eval()
    if variant == WITHOUT_KL:
        return trained

    said = {name: part.captions for name, part in parts.items()}
    if variant == "shuffled":
        said["train"] = shuffled(said["train"], setting.seed, "captions")
    pairs = lambda name: (setting.text(said[name]), encoded(trained.dvae, parts[name].images, device))
    manual_seed(setting.seed)
    trained.transformer = build_transformer(sizes, len(setting.tokenizer), variant).to(device)
    stage = transformer_stage(trained.transformer, pairs("train"), pairs("validation"), sizes, device=device, **at("transformer"))
    yield stage
    trained.trainers["transformer"] = stage
    trained.transformer.eval()
    if variant == MAIN:
        trained.clip = build_clip(sizes, len(setting.tokenizer)).to(device)
        images = parts["train"].images
        stage = clip_stage(trained.clip, lambda rows: enlarged(images[rows], sizes.clip_pixels), setting.ids(said["train"]),
                           sizes.clip_rounds, device=device, **at("clip"))
        yield stage
        trained.trainers["clip"] = stage
        trained.clip.eval()
    return trained
