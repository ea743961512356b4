"""Camera messages to arrays, and back: the codec. Imports `bad_image` and `thermal`."""
