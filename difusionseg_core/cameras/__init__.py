"""Two camera streams: pairing in time, and what the messages show about each camera.

For the node, `doctor` and evaluation. Imports `imaging`.
"""
