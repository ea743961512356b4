"""Backbones and necks: an image to feature maps. Imports `layers`."""
