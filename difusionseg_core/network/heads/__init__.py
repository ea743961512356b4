"""Features to the fused image, class logits and objects. Imports `encoder` and single modules."""
