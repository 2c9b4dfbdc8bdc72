"""Many trials: which of them train together, and how a sweep is carried out."""
