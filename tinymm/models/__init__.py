"""Floor 5: the models of the course, each lecture's equations as Modules."""
