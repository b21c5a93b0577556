"""The benchmark suite: `python -m tools.bench [part …]`, or `make bench PART=…`; one module a part.

Each figure is compared with its floor, measured in the same run, so that the machine does not matter. Times are
medians of at least five. docs/PERFORMANCE.md explains the figures.
"""
