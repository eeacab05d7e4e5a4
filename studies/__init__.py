"""The measurements behind docs/results.md: what is measured, where it is kept, and what the page says of it.

Each `results/studies/NAME.toml` is a study. `python -m studies` measures those whose committed result is missing or of
other settings, keeps what comes out as JSON under `results/`, and fills the page and the README from what is kept.
"""
