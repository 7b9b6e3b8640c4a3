"""The tasks of lecture 5 on published data: the same models, losses and protocol, with parts that are read from files.

A task has the measurements that need no truth about a world, and no threshold but one that its data give: the others belong to
the worlds. What is read is bounded, and how much that was is said.
"""
