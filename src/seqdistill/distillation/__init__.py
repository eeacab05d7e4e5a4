"""The bi-level optimisation: inner step, replay hypergradient, outer objective, loop."""
