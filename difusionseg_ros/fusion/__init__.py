"""A frame's way through the fusion node: input, pairing, worker, processing, outputs."""
