"""Evaluate data sets: score and report the images of a model, or somebody else's."""
