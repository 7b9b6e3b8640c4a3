"""Convolution in one to three dimensions, and what turns it around.

convolution.py (the formula and its rungs), geometry.py (sizes and paddings), grid.py (all images on one padded line) with
kernels.py (register tiles over that line), columns.py (by products, where that is faster), conv_transpose.py, unfold.py
(windows as columns, and back), pixel_shuffle.py.
"""
