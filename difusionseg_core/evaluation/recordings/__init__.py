"""Evaluate recordings: scan, score and report one recording or many."""
