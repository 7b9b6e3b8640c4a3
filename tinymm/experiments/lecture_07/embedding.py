"""phi(t): the encoder of texts, taught by a structured joint embedding with features of pictures, and what comes of it."""

from __future__ import annotations

import numpy as np

from ... import optim
from ...autograd import Tensor
from ...backend.random import stream
from ...data import DataLoader, TensorDataset
from ...data.worlds.placed_sprites import LONGEST
from ...metrics import accuracy
from ...models.char_cnn_rnn import CharCNNRNN
from ...models.structured_joint_embedding import class_means, classify_images, joint_embedding_loss
from ...nn.chunks import array_in_chunks
from ...text.characters import one_hot
from ...train import Trainer
from ..classify_stage import classify_stage
from .data import Part
from ..picture_judge import PictureNet

CHANNELS, FEATURES = (64, 96), 64
BATCH, LR = 40, 4e-3          # classes of a batch


def text_encoder(length: int = LONGEST) -> CharCNNRNN:
    """phi, untrained: two convolutions and Reed's GRU, over 5 steps for the world's short texts."""
    return CharCNNRNN(CHANNELS, FEATURES, recurrent="gru", pools=((3, 3), (3, 3)), length=length)


def picture_stage(net: PictureNet, train: Part, held: Part, epochs: int, *, device: str = "cpu", **trainer) -> Trainer:
    """A Trainer that teaches a picture net the seen classes; theta is the layer before its answer."""
    numbers = np.unique(train.classes)
    answers = lambda part: np.searchsorted(numbers, part.classes)[:, None]
    return classify_stage(net, net, [len(numbers)], (train.images, answers(train)), (held.images, answers(held)), epochs,
                          device=device, **trainer)


def thetas(net: PictureNet, part: Part, device: str = "cpu") -> np.ndarray:
    """theta of a part's pictures, of length 1: (N, d)."""
    found = array_in_chunks(net.theta, lambda rows: part.images[rows.start:rows.stop], len(part), 500, device)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def phis(encoder: CharCNNRNN, characters: np.ndarray, device: str = "cpu") -> np.ndarray:
    """phi of texts as numbers of characters: (K, L) -> (K, d)."""
    return array_in_chunks(encoder, lambda rows: one_hot(characters[rows.start:rows.stop]), len(characters), 500, device)


def phi_of(encoder: CharCNNRNN, characters: np.ndarray, device: str = "cpu") -> np.ndarray:
    """phi of texts as the GANs are given it, of length sqrt(d): its numbers are as large as those of the noise.

    Args:
        encoder: phi, in evaluation mode.
        characters: (K, L), numbers of characters.
        device: where the encoder is.

    Returns:
        (K, d) float32.
    """
    found = phis(encoder, characters, device)
    return found * (found.shape[1] ** 0.5 / np.linalg.norm(found, axis=1, keepdims=True))


def embedding_stage(encoder: CharCNNRNN, theta: np.ndarray, train: Part, epochs: int, *, device: str = "cpu", **trainer) -> Trainer:
    """A Trainer that teaches the encoder which text is about which picture: batches of one pair of each of 40 classes.

    Args:
        encoder: phi.
        theta: (N, d), features of the training pictures; they stay as they are.
        train: the pictures' texts.
        epochs: rounds of as many batches as it takes to show every picture once, on average.
        trainer: more arguments for the Trainer.
    """
    classes = train.classes
    numbers = np.unique(classes)
    of_class = [np.flatnonzero(classes == number) for number in numbers]
    optimizer = optim.Adam(encoder.parameters(), lr=LR)
    loader = DataLoader(TensorDataset(Tensor(np.arange(len(train) // BATCH))), 1)
    total, each = epochs * len(loader), len(train.characters) // len(train)   # texts of a picture

    def step(batch):
        rng = stream("pairs of classes").generator
        pictures = np.array([rng.choice(of_class[c]) for c in rng.permutation(len(numbers))[:BATCH]])
        texts = pictures * each + rng.integers(each, size=len(pictures))
        phi = encoder(Tensor(one_hot(train.characters[texts])).to(device))
        return joint_embedding_loss(Tensor(theta[pictures]).to(device) @ phi.T, classes[pictures])

    return Trainer(encoder, optimizer, loader, step, epochs,
                   scheduler=optim.lr_scheduler.WarmupCosineLR(optimizer, min(50, total // 4), total), **trainer)


def zero_shot(encoder: CharCNNRNN, net: PictureNet, test: Part, unseen: Part, device: str = "cpu") -> dict[str, float]:
    """f_v's accuracy: seen classes among themselves, unseen ones among themselves, and unseen ones among all."""
    theta = {name: thetas(net, part, device) for name, part in (("seen", test), ("unseen", unseen))}
    texts, numbers, labels = {}, {}, {}
    for name, part in (("seen", test), ("unseen", unseen)):
        numbers[name], labels[name] = np.unique(part.classes, return_inverse=True)
        of_texts = labels[name].repeat(len(part.characters) // len(part))
        texts[name] = class_means(phis(encoder, part.characters, device), of_texts, len(numbers[name]))
    both = np.concatenate([texts["seen"], texts["unseen"]])
    return {"seen": accuracy(classify_images(theta["seen"], texts["seen"]), labels["seen"]),
            "unseen among themselves": accuracy(classify_images(theta["unseen"], texts["unseen"]), labels["unseen"]),
            "unseen among all": accuracy(classify_images(theta["unseen"], both), labels["unseen"] + len(texts["seen"])),
            "classes": len(numbers["seen"]), "unseen classes": len(numbers["unseen"])}
