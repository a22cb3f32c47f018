"""Matrix products that are the same on machines with other numbers of cores."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from cdul_edge.labelling.arrays import Floats, Singles


def product(left: Floats, right: Singles) -> Singles:
    """The matrix product (N, D) x (D, C) in float32, the same bits whatever the cores.

    Several threads cut a product by their number, and sums that are cut elsewhere round otherwise.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        return np.asarray(left @ right, np.float32)
