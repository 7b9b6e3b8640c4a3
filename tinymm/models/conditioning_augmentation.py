"""Conditioning augmentation (StackGAN, Zhang et al. 2017, section 3.2): a text is a Gaussian, from which its condition is drawn.

    c^ = mu(phi(t)) + sigma(phi(t)) * epsilon,      epsilon ~ N(0, I)
    KL(N(mu, diag sigma^2) || N(0, I)) = 1/2 sum (mu^2 + sigma^2 - ln sigma^2 - 1)

So few texts fill the space of conditions, and one text has many pictures. One linear layer with an activation gives mu and a
logarithm: ln sigma in the authors' TensorFlow code, with LeakyReLU; ln sigma^2 in their PyTorch code, with ReLU, so that there
mu is never negative and sigma never below 1. Both take the mean of the KL's terms over batch and elements, times 2; the paper
writes lambda times their sum.
"""

from __future__ import annotations

from .. import nn
from ..autograd import Tensor
from ..autograd.sampling import randn
from .draw import gaussian_kl

FORMS = {"log_sigma": 1.0, "log_variance": 0.5}   # what ln sigma is of the logarithm
ACTIVATIONS = {"leaky_relu": 0.2, "relu": 0.0}    # slopes below 0


class ConditioningAugmentation(nn.Module):
    """A text's vector -> a condition that is drawn anew each time.

    Args:
        text: length of phi(t).
        condition: N_g, length of c^.
        form: "log_sigma" (TensorFlow code) or "log_variance" (PyTorch code).
        activation: "leaky_relu" (TensorFlow code) or "relu" (PyTorch code).

    Raises:
        ValueError: another form or activation.
    """

    def __init__(self, text: int, condition: int = 128, form: str = "log_sigma", activation: str = "leaky_relu"):
        super().__init__()
        for name, value, known in (("form", form, FORMS), ("activation", activation, ACTIVATIONS)):
            if value not in known:
                raise ValueError(f"ConditioningAugmentation: {name}={value!r}; choose from {', '.join(known)}")
        self.condition, self.share = condition, FORMS[form]
        self.fc = nn.Linear(text, 2 * condition)
        self.activation = nn.LeakyReLU(ACTIVATIONS[activation])

    def forward(self, h: Tensor, epsilon: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """c^, mu and ln sigma, each (N, condition).

        Args:
            h: (N, text), phi(t).
            epsilon: (N, condition); drawn by default, in training and in evaluation.
        """
        out = self.activation(self.fc(h))                                  # (N, 2 condition)
        mu, log_sigma = out[:, :self.condition], self.share * out[:, self.condition:]
        epsilon = randn(*mu.shape, dtype=mu.dtype).to(mu.device) if epsilon is None else epsilon
        return mu + log_sigma.exp() * epsilon, mu, log_sigma

    @staticmethod
    def kl(mu: Tensor, log_sigma: Tensor) -> Tensor:
        """KL(N(mu, diag sigma^2) || N(0, I)) of each text in nats: (N, condition) twice -> (N,).

        The authors' codes add 2 kl.mean() / condition to G's loss.
        """
        return gaussian_kl(mu, log_sigma)
