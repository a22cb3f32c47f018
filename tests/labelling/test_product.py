"""Products of matrices, thread by thread."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from cdul_edge.labelling.product import product


def test_a_product_has_the_same_bits_with_any_number_of_threads() -> None:
    draws = np.random.default_rng(0)
    left = draws.standard_normal((600, 512)).astype(np.float32)
    right = draws.standard_normal((512, 12)).astype(np.float32)
    found = []
    for threads in (1, 2, 4):
        with threadpool_limits(limits=threads, user_api="blas"):
            found.append(product(left, right).tobytes())
    assert len(set(found)) == 1
    np.testing.assert_allclose(product(left, right)[0, 0], left[0] @ right[:, 0], rtol=1e-5)
