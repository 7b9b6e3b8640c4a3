"""What ``tests/fuzz_shapes.py`` is made of: calls, changes of their arguments, judges, and the child that runs them."""
