"""The benchmark suite: `python -m tools.bench [part …]`, or `make bench PART=…`; one module a part.

Every figure stands beside its floor, measured in the same run, so that the machine cancels out; what takes seconds is
a median of at least five. docs/PERFORMANCE.md explains the figures.
"""
