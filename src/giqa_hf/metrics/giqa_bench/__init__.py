"""GIQA-Bench: every figure of the paper's Sec. 3.4 from predictions and rows."""
