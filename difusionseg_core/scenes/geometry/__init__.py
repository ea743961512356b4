"""Geometry of a scene: shapes with materials, the street, the camera. Imports no other room."""
