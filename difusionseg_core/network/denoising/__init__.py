"""The diffusion over the mask: process, schedule, time embedding, decoder. Imports `layers`."""
