"""How well predicted quality scores follow mean opinion scores: SRCC, PLCC, KRCC, RMSE."""
