"""Published datasets and pictures, read as people have them: one file a format, and what they share in captions.py."""
