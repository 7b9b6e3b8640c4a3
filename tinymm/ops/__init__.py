"""Floor 2: the fused operations, one file each with its four rungs (see fused.py), or one room whose files are its rungs."""
