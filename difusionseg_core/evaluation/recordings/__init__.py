"""Evaluate recordings: scan, score and report one recording or several.

Imports what `evaluation` may import, and its shared modules.
"""
