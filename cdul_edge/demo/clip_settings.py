"""Every number of the tiny CLIP: how it is trained, and what it is made of."""

from __future__ import annotations

from dataclasses import dataclass

from cdul_edge.demo.clip_pictures import SIZE_PX
from cdul_edge_runtime.errors import CdulEdgeError

CONTEXT_LENGTH = 20


@dataclass(frozen=True)
class Settings:
    """Every number of a training run.

    Attributes:
        pictures: painted once, seen again in every epoch with another shift, flip and light.
        learning_rate: the highest, reached after `warmup_steps`, then a cosine down to 0.
        check_pictures: unseen ones to measure on: things alone, and with small companions.

    Raises:
        CdulEdgeError: a batch that is not filled.
    """

    seed: int = 0
    pictures: int = 40_000
    epochs: int = 14
    batch_size: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup_steps: int = 200
    check_pictures: int = 1_500

    def __post_init__(self) -> None:
        if not 2 <= self.batch_size <= self.pictures:
            raise CdulEdgeError(
                f"batches of {self.batch_size} of {self.pictures} pictures: expected 2 or more, "
                "and no more than there are pictures"
            )

    @property
    def epoch_steps(self) -> int:
        """Optimizer steps per epoch."""
        return self.pictures // self.batch_size


def model_config(vocabulary_size: int) -> dict[str, object]:
    """open_clip's description of the model: a ResNet of CLIP's kind, and a two-layer text tower."""
    return {
        "embed_dim": 128,
        "vision_cfg": {
            "image_size": SIZE_PX,
            "layers": [2, 2, 1, 1],
            "width": 16,
            "patch_size": None,
        },
        "text_cfg": {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": vocabulary_size,
            "width": 64,
            "heads": 2,
            "layers": 2,
        },
    }
