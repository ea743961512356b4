"""Rendering: painting of parts, light, temperature and both cameras. Imports `geometry`."""
