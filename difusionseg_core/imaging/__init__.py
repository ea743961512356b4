"""Camera images as arrays: formats, thermal counts, alignment, registration, drawing.

Imports `classes` and nothing else of this package.
"""
