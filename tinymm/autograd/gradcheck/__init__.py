"""Gradient checking that teaches: is this backward right, and if not, where and why?"""

from .check import gradcheck
from .report import ArgumentReport, GradcheckError, GradcheckReport
from .second import gradgradcheck

__all__ = ["gradcheck", "gradgradcheck", "GradcheckReport", "GradcheckError", "ArgumentReport"]
