"""Floor 3: optimisers, learning-rate schedules, averages of weights and gradient clipping, with PyTorch's update rules."""

from . import lr_scheduler
from .adam import Adam, Adamax, AdamW
from .adaptive import Adadelta, Adagrad, RMSprop
from .clip import clip_grad_norm_, clip_grad_value_
from .lbfgs import LBFGS
from .optimizer import Optimizer
from .sgd import SGD
from . import swa_utils   # last: it needs nn, which needs what stands above

__all__ = ["Optimizer", "SGD", "Adam", "AdamW", "Adamax", "RMSprop", "Adagrad", "Adadelta", "LBFGS", "clip_grad_norm_",
           "clip_grad_value_", "lr_scheduler", "swa_utils"]
