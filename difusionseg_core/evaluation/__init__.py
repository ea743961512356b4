"""Pictures of a model or of somebody else, scored over a data set, and evaluations compared."""
