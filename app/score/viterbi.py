"""The cheapest way through a sequence of choices."""

import numpy as np
from numpy.typing import NDArray


def cheapest_path(costs: NDArray[np.float64], move: NDArray[np.float64]) -> list[int]:
    """The choice at each step that makes the whole path cheapest (Viterbi, 1967).

    `costs` (steps, choices) is what each choice costs, `move` (choices, choices) what going from one to another costs.
    """
    total = costs[0]
    came_from = np.zeros(costs.shape, dtype=int)
    for step in range(1, len(costs)):
        through = total[:, None] + move
        came_from[step] = through.argmin(axis=0)
        total = through.min(axis=0) + costs[step]
    path = [int(total.argmin())]
    for step in range(len(costs) - 1, 0, -1):
        path.append(int(came_from[step, path[-1]]))
    return path[::-1]
