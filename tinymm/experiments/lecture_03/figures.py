"""The figures of the alignment."""


def all_figures(setting, trained, measured) -> dict:
    """File name -> Figure."""
    return {}
