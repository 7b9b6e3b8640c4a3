"""Attention: what a query takes from a row of values.

attention.py (scaled dot products: the formula and its rungs), kernels.py and cuda.py (its Numba and CUDA rungs),
multi_head_attention.py (several of them side by side), additive_attention.py (scores by a small network).
"""
