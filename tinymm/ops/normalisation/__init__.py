"""Normalisations: layer_norm.py and rms_norm.py (over a case's features), batch_norm.py (over the batch), group_norm.py
(over groups of channels, instance norm among them), local_response_norm.py (over neighbouring channels), and weight_norm.py
(of weights: weight and spectral normalisation).
"""
