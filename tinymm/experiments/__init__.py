"""Floor 6: what a lecture runs: data, training, evaluation, claims, figures."""
