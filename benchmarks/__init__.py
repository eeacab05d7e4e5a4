"""Benchmarks of seqdistill, each run as `python -m benchmarks.NAME`; see docs/performance.md."""
