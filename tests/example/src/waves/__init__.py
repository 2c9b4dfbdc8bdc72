"""Learn a wave: an example of a project with parts of its own for ermlab."""
