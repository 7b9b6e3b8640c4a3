"""Normalisations: over features, over the batch, over groups, by the root mean square, and of weights."""
