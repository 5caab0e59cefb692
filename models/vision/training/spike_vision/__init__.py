"""Training of one-step spiking networks behind an in-pixel convolution, and of dense ones."""
