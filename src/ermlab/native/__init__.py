"""The compiled part: the steps of the models that are chains of affine maps and activations."""
