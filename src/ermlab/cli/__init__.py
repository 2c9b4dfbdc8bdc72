"""What the shell calls: Hydra's application, the commands beside it, progress and messages."""
