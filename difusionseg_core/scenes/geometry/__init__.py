"""Where things are: parts with a shape and a material, the street, the viewpoint."""
