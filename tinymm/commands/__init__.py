"""Floor 7: the commands of ``python -m tinymm``, one file each with ``add_arguments(parser)`` and ``run(args)``."""
