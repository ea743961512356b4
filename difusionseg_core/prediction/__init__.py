"""Running a model on files: images, videos and recordings in, images and a video out."""
