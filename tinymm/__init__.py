"""tinymm: a deep-learning engine that can be read end to end, and the multimodal models built on it."""

__version__ = "0.1.0"

from .autograd import (Function, Tensor, detect_anomaly, detect_mutation, enable_grad, get_default_dtype, grad,
                       is_grad_enabled, no_grad, set_default_dtype, set_grad_enabled)
