"""Metrics, rankings and the tables made of them."""
