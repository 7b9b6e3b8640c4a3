"""The student's versions of the exercises: data, which ``handout.py`` copies, and nothing to import."""
