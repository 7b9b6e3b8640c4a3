"""A small training of two networks that take turns: ``python adversaries.py FOLDER [resume]`` prints its checksum."""

import sys

import numpy as np

import tinymm
from tests.train.small_training import checksum
from tinymm import Tensor, nn, no_grad, optim
from tinymm.data import DataLoader, TensorDataset
from tinymm.functional import binary_cross_entropy_with_logits as bce
from tinymm.train import Trainer


def adversaries(folder, epochs: int = 3, every: float = 0.0, rest: int = 1, seed: int = 0, **more) -> Trainer:
    """A GAN of points on a circle; G takes its turn at every ``rest``-th batch."""
    tinymm.manual_seed(seed)
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, 230)
    data = TensorDataset(Tensor(np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)))
    G = nn.Sequential(nn.Linear(4, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 2))
    D = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Dropout(0.2), nn.Linear(32, 1))
    optimizer = {"D": optim.Adam(D.parameters(), lr=2e-3, betas=(0.5, 0.999)), "G": optim.Adam(G.parameters(), lr=1e-3)}

    def discriminate(batch):
        with no_grad():
            fake = G(tinymm.randn(len(batch[0]), 4))
        real, fake = D(batch[0]), D(fake)
        return bce(real, tinymm.ones_like(real)) + bce(fake, tinymm.zeros_like(fake)), {"real": float(real.mean())}

    def generate(batch):
        if training.steps % rest:
            return None
        fake = D(G(tinymm.randn(len(batch[0]), 4)))
        return bce(fake, tinymm.ones_like(fake))

    options: dict = {"max_norm": 5.0, "label": None, **more}
    training = Trainer(nn.ModuleDict({"D": D, "G": G}), optimizer, DataLoader(data, 10, shuffle=True),
                       {"D": discriminate, "G": generate}, epochs, folder=folder, every=every,
                       scheduler={"G": optim.lr_scheduler.StepLR(optimizer["G"], 20, 0.5)}, **options)
    return training


if __name__ == "__main__":
    training = adversaries(sys.argv[1])
    training.fit(resume="resume" in sys.argv)
    print(checksum(training))
