"""Prediction on files: images, videos or recordings in, images and a video out.

Imports the predictor, `recordings`, `data`, `cameras`, `imaging` and `files`.
"""
