"""From parts to pixels: painting, light, heat and the two cameras; imports `geometry`."""
