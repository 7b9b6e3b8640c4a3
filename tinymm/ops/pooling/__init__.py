"""Pooling: window.py (the geometry of sliding windows), max_pool.py, avg_pool.py, adaptive_pooling.py (by the size of the
result), and regions of interest: roi.py (what they share), roi_pool.py, roi_align.py.
"""
