"""One-to-one matching of predicted boxes with true boxes.

The exact assignment is our own, not scipy's: the metric core then runs on numpy alone and gives one and the
same matching on every machine, and almost every sample of a benchmark is so small (one, two, three boxes)
that scipy's call would cost more than the answer. The tests compare its totals with
`scipy.optimize.linear_sum_assignment`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

MatchingMethod = Literal["hungarian", "greedy"]
Matrix: TypeAlias = npt.NDArray[np.float64]
Pairs: TypeAlias = list[tuple[int, int]]

_FEW = 6  # boxes on either side that are matched without numpy

STRICT_MARGIN = 1e-9
"""Added to a threshold that must be exceeded, over which rounding must not lift: on a grid IoU 1/2 is common."""


def match(weights: npt.ArrayLike, method: MatchingMethod = "hungarian") -> Pairs:
    """Pairs (row, column), each row and each column at most once.

    Args:
        weights (`array` of shape (N, M)): what a pair is worth, e.g. the IoU of predicted box i with true box
            j; finite, 0 or more. A pair worth 0 is never made: two boxes that do not touch are no match.
        method (`str`, *optional*, defaults to `"hungarian"`): `"hungarian"` makes the total worth as large as
            it can be; `"greedy"` takes the best pair that is left, again and again (ties: lower row, then
            lower column).

    Returns:
        `list` of `(row, column)`, sorted.

    Raises:
        `ValueError`: on another method, another shape, or weights that are negative or not finite.

    Example:

    ```python
    >>> match([[0.6, 0.5], [0.5, 0.0]])  # 0.5 + 0.5 beats 0.6 + 0.0
    [(0, 1), (1, 0)]
    >>> match([[0.6, 0.5], [0.5, 0.0]], method="greedy")
    [(0, 0)]
    ```
    """
    matrix = np.asarray(weights, dtype=np.float64)
    check_method(method)
    if matrix.ndim != 2:
        raise ValueError(f"weights: expected a matrix of shape (N, M), got shape {matrix.shape}")
    if matrix.size == 0:
        return []
    if not (matrix.min() >= 0.0 and matrix.max() < np.inf):  # NaN fails both
        raise ValueError("weights: expected finite numbers of 0 or more, got a negative one, NaN or infinity")
    return match_checked(matrix, method)


def most_pairs(admissible: npt.NDArray[np.bool_]) -> int:
    """How many one-to-one pairs there can be at most.

    Args:
        admissible (`bool array` of shape (N, M)): which row may be paired with which column.

    Returns:
        `int`: the size of the largest matching, so the order of rows and columns cannot lose a pair.

    Example (both rows want the first column, and one of them can have the second):

    ```python
    >>> most_pairs(np.array([[True, True], [True, False]]))
    2
    ```
    """
    rows, cols = (found.tolist() for found in np.nonzero(admissible))
    # Where no row or no column has a choice, there are as many pairs as the other side has members.
    of_rows, of_cols = len(set(rows)), len(set(cols))
    if of_rows == len(rows) or of_cols == len(rows):
        return min(of_rows, of_cols)
    return len(match_checked(admissible.astype(np.float64), "hungarian"))


def check_method(method: str) -> None:
    """Raise `ValueError` when `method` is not a matching method."""
    if method not in get_args(MatchingMethod):
        raise ValueError(f"matching: expected one of {', '.join(get_args(MatchingMethod))}, got {method!r}")


def match_checked(matrix: Matrix, method: MatchingMethod) -> Pairs:
    """`match` for a float64 matrix known to be finite and not negative (the inner loop of the metrics)."""
    rows, cols = matrix.shape
    if rows == 0 or cols == 0:
        return []
    if rows == 1 or cols == 1:  # both methods take the best cell
        best = int(matrix.argmax())
        row, col = (0, best) if rows == 1 else (best, 0)
        return [(row, col)] if matrix[row, col] > 0.0 else []
    if method == "greedy":
        return _greedy(matrix)
    if rows == 2 and cols == 2:
        (a, b), (c, d) = matrix.tolist()
        pairs = ((0, 0, a), (1, 1, d)) if a + d >= b + c else ((0, 1, b), (1, 0, c))
        return [(row, col) for row, col, worth in pairs if worth > 0.0]
    if rows <= _FEW and cols <= _FEW:  # numpy's cost per call would be more than the work
        return _exact_of_few(matrix.tolist())
    return _hungarian(matrix)


def _greedy(matrix: Matrix) -> Pairs:
    rows, cols = np.nonzero(matrix)
    order = np.argsort(-matrix[rows, cols], kind="stable")  # nonzero runs row by row: ties stay in that order
    free_rows, free_cols = set(rows.tolist()), set(cols.tolist())
    pairs: Pairs = []
    for row, col in zip(rows[order].tolist(), cols[order].tolist(), strict=True):
        if row in free_rows and col in free_cols:
            free_rows.remove(row)
            free_cols.remove(col)
            pairs.append((row, col))
    return sorted(pairs)


def _exact_of_few(worth: list[list[float]]) -> Pairs:
    favourites = [(row, own.index(best)) for row, own in enumerate(worth) if (best := max(own)) > 0.0]
    if len({col for _, col in favourites}) == len(favourites):  # each its own: nothing can be better
        return favourites
    # The best total for every set of columns that the rows so far can take, with its pairs.
    reached: dict[int, tuple[float, Pairs]] = {0: (0.0, [])}
    for row, own in enumerate(worth):
        touching = [(col, value) for col, value in enumerate(own) if value > 0.0]
        if not touching:
            continue
        further = dict(reached)
        for taken, (total, pairs) in reached.items():
            for col, value in touching:
                after = taken | 1 << col
                if after != taken and (after not in further or total + value > further[after][0]):
                    further[after] = (total + value, [*pairs, (row, col)])
        reached = further
    return max(reached.values(), key=lambda found: found[0])[1]


def _hungarian(matrix: Matrix) -> Pairs:
    # A row or column of zeros can be in no pair: 500 boxes that hit nothing cost nothing.
    rows = np.flatnonzero(matrix.any(axis=1))
    cols = np.flatnonzero(matrix.any(axis=0))
    if len(rows) == 0:
        return []
    kept = matrix[np.ix_(rows, cols)]
    if len(rows) > len(cols):
        chosen_rows = _assign_rows(kept.T)
        pairs = [(int(rows[row]), int(cols[col])) for col, row in enumerate(chosen_rows)]
    else:
        chosen_cols = _assign_rows(kept)
        pairs = [(int(rows[row]), int(cols[col])) for row, col in enumerate(chosen_cols)]
    return sorted((row, col) for row, col in pairs if matrix[row, col] > 0.0)


def _assign_rows(worth: Matrix) -> list[int]:
    """A column for every row of `worth` (R, C), R <= C, with the largest total.

    By shortest augmenting paths, in time O(R^2 C).
    """
    best = worth.argmax(axis=1)
    if len(set(best.tolist())) == len(best):  # every row gets its own favourite: nothing can be better
        return [int(col) for col in best]
    cost = worth.max() - worth
    n_rows, n_cols = cost.shape
    row_price = np.zeros(n_rows)
    col_price = np.zeros(n_cols)
    row_of = np.full(n_cols, -1)
    for start in range(n_rows):
        # Dijkstra from row `start` over reduced costs, until a free column is reached.
        reached_from = np.full(n_cols, -1)  # the column before, -1 for the start
        distance = np.full(n_cols, np.inf)
        done = np.zeros(n_cols, dtype=bool)
        row, last_col, so_far = start, -1, 0.0
        while True:
            through = so_far + cost[row] - row_price[row] - col_price
            shorter = ~done & (through < distance)
            distance[shorter] = through[shorter]
            reached_from[shorter] = last_col
            last_col = int(np.where(done, np.inf, distance).argmin())
            so_far = float(distance[last_col])
            done[last_col] = True
            if row_of[last_col] < 0:
                break
            row = int(row_of[last_col])
        # New prices keep every reduced cost at 0 or more, and at 0 on the matched pairs.
        passed = done.copy()
        passed[last_col] = False
        row_price[start] += so_far
        row_price[row_of[passed]] += so_far - distance[passed]
        col_price[passed] -= so_far - distance[passed]
        while last_col >= 0:  # turn the path round: each column on it goes to the row before
            before = int(reached_from[last_col])
            row_of[last_col] = start if before < 0 else row_of[before]
            last_col = before
    col_of = [-1] * n_rows
    for col, row in enumerate(row_of.tolist()):
        if row >= 0:
            col_of[row] = col
    return col_of
