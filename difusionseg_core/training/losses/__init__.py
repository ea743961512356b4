"""The losses of a batch, and their terms. Imports nothing else of `training`."""
