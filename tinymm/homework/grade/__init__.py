"""A class graded: ``python -m tinymm grade 04 FOLDER``.

``collect.py`` reads all submissions before any is executed, ``one.py`` grades one, ``many.py`` all of them in several processes,
``summary.py`` says what is hard and which mistakes are made; ``table.py`` and ``pages.py`` show it, and ``cli.py`` is the command.
"""
