"""From a composed configuration to a trained model and its run directory."""
