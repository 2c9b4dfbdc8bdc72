"""The one training loop, what it drives (learners) and what it follows (plans)."""
