"""tinymm: a deep-learning engine that can be read end to end, and the multimodal models built on it."""

from .version import __version__

from . import functional
from .autograd import (Function, Tensor, backward, detect_anomaly, detect_mutation, enable_grad, get_default_dtype, grad,
                       gradcheck, gradgradcheck, is_grad_enabled, no_grad, set_default_dtype, set_grad_enabled)
from .autograd.creation import *  # noqa: F403
from .autograd.sampling import *  # noqa: F403
from .autograd.drawing import draw
from .autograd.tensor import bool_, float16, float32, float64, int32, int64, uint8
from .backend.random import manual_seed, stream
from .backend.threads import get_num_threads, set_num_threads
from .functional import *  # noqa: F403
from . import data, nn, optim
from .serialization import load, save
