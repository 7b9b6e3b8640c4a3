"""Worlds of our own: pictures and sentences drawn from a seed, so that a lecture trains without a download.

Composed scenes stand on placing.py (what stands where) and scene_captions.py (sentences that know which word means which
thing). sprites.py draws shapes, digits.py holds real handwriting, pixel_font.py and stick_figures.py draw words and people;
letters.py writes lines with a pen, point by point. order_clips.py and tracked_clips.py let digits move.
"""
