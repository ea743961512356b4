"""Two camera streams: pairing in time, and findings about each camera.

For the node, `doctor` and evaluation. Imports `imaging`.
"""
