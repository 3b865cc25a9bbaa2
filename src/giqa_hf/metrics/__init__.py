"""The metrics of GIQA-Bench (paper Sec. 3.4): one folder each, pure functions in `compute.py`.

A metric that `evaluate.load` knows has a script named like its folder beside it, so a function is imported
from its `compute` module, e.g. `from giqa_hf.metrics.giqa_bench.compute import giqa_bench`.
"""
