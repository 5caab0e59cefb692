"""Training of the gesture networks on simulated clips."""
