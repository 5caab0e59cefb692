"""Training of event-based GRU (EGRU) and LSTM language models with hand-written gradients.

The equations are those of the code released with the EGRU papers; README.md states them, the
protocols of evaluation and the commands that reproduce every set of weights.
"""
