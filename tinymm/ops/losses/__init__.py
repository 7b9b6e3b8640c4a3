"""Losses: cross-entropies (cross_entropy.py for classes, cross_entropy_soft.py for probabilities, nll_loss.py, binary.py,
kl_div.py), regression.py, ranking.py; reductions.py is what all of them do at the end, pointwise.py what most are made of.
"""
