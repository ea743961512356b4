"""The path of a frame through the fusion node: input, pairing, worker, processing, outputs.

Imports `common`, and of the core the predictor and the rooms below it.
"""
