"""Thermal counts: 8-bit grey images, palettes, temperatures. Imports only `bad_image`."""
