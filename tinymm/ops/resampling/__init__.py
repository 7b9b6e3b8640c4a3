"""Other resolutions and other places: resample.py (the weights), interpolate.py, grid_sample.py."""
