"""Parametrizations: the models of the source text as plain `torch.nn.Module` classes."""
