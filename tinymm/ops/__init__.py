"""Floor 2: the fused operations, in rooms by family, one file each with its four rungs (see
fused.py); attention, convolution and the LSTM have some of their rungs in files beside it."""
