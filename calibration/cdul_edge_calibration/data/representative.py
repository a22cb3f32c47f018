"""Whether calibration pictures are of the kind that a bundle was trained on.

A precision that was calibrated on black frames, on noise or on copies of one picture may pass any
check on such pictures and be useless on others: where every picture gets the same labels, no
decision can flip. Two things tell: labels that never differ, and values that the bundle's reference
pictures, which are training pictures, take and these do not.
"""

from __future__ import annotations

from collections.abc import Mapping

from cdul_edge_calibration.data.ranges import Ranges

_BEYOND = 0.1  # of the width of a range: less is what any two samples differ by

# Shares of the tensors. On a network trained on drawn pictures, 64 pictures of its own kind leave
# 4 % of the tensors short of what 16 reference pictures show, and 16 leave 14 %; 130 plain colors
# leave 89 % and cost INT8 2 points of mAP, 130 near-copies of one picture 100 % and 6 points.
WARN_ABOVE = 0.2
REFUSE_ABOVE = 0.5


def same_labels(predicted: Mapping[str, int], pictures: int) -> str | None:
    """Say which labels all pictures get; None where any two differ.

    Args:
        predicted: by class, the number of pictures in which it is predicted.
        pictures: how many there are.
    """
    if any(0 < count < pictures for count in predicted.values()):
        return None
    labels = ", ".join(name for name, count in predicted.items() if count)
    if not labels:
        return f"no score reaches its threshold in any of {pictures} different pictures"
    return (
        f"each of {pictures} different pictures gets the labels {labels}, and no score crosses a "
        "threshold"
    )


def share_beyond(reference: Ranges, calibrated: Ranges) -> float:
    """Share of the tensors, in [0, 1], whose reference values leave the calibrated range.

    Args:
        reference: lowest and highest values on the bundle's reference pictures.
        calibrated: the same on the calibration pictures.
    """
    beyond = 0
    for name, (low, high) in calibrated.items():
        lowest, highest = reference.get(name, (low, high))
        beyond += max(low - lowest, highest - high) > _BEYOND * max(high - low, highest - lowest)
    return beyond / max(len(calibrated), 1)
