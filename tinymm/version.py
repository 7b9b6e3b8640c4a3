"""The version of the package, where setup.cfg reads it without importing anything."""

__version__ = "0.9.0"
