"""Floor 1: Tensor, Function, the backward pass, and the operations whose backwards are themselves differentiable."""

from .engine import backward, grad
from .function import Function
from .gradcheck import gradcheck, gradgradcheck
from .methods import attach
from .state import detect_anomaly, detect_mutation, enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from .tensor import Tensor, get_default_dtype, set_default_dtype

attach()

__all__ = ["Tensor", "Function", "backward", "grad", "gradcheck", "gradgradcheck", "no_grad", "enable_grad",
           "set_grad_enabled", "is_grad_enabled", "detect_anomaly", "detect_mutation", "get_default_dtype",
           "set_default_dtype"]
