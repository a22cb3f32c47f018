"""From a picture to the network's input: the one implementation, from training to the device."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from cdul_edge_runtime.choices import Resize as Resize
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.json_record import parse_record

Interpolation = Literal["bilinear", "bicubic"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True)
class Preprocess:
    """How a picture becomes the (H, W, 3) uint8 RGB input of the network.

    The resize happens here, antialiased, in Pillow. Mean and standard deviation (of RGB values
    in [0, 1]) are applied inside the exported graph and by training, never by a caller.

    `resize`: "squash" ignores the aspect ratio and shows the whole picture; "center" scales the
    short side and crops; "letterbox" pads with the mean color. `crop` is the share of the short
    side that "center" keeps (timm's crop_pct): 1 shows all of it.

    Raises:
        CdulEdgeError: a size below 8 px, an unknown policy, a crop outside (0, 1], or a standard
            deviation of 0.
    """

    height_px: int
    width_px: int
    resize: Resize = "squash"
    interpolation: Interpolation = "bilinear"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    crop: float = 1.0

    def __post_init__(self) -> None:
        faults = []
        if min(self.height_px, self.width_px) < 8:
            faults.append(f"size {self.width_px}x{self.height_px} px, expected at least 8x8")
        if self.resize not in ("squash", "center", "letterbox"):
            faults.append(f"resize {self.resize!r}, expected squash, center or letterbox")
        if self.interpolation not in _FILTERS:
            faults.append(f"interpolation {self.interpolation!r}, expected bilinear or bicubic")
        if not 0 < self.crop <= 1:
            faults.append(f"crop {self.crop:g}, expected more than 0 and at most 1")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            faults.append(f"mean {self.mean}, std {self.std}, expected 3 values each, std > 0")
        if faults:
            raise CdulEdgeError(f"preprocess settings are wrong: {'; '.join(faults)}")

    def apply(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        """Resize an RGB picture to (H, W, 3) uint8."""
        size = (self.width_px, self.height_px)
        chosen = _FILTERS[self.interpolation]
        if image.mode != "RGB":
            raise ValueError(f"expected an RGB picture, got mode {image.mode}")
        if self.resize == "squash":
            fitted = image.resize(size, chosen)
        elif self.resize == "center":
            fitted = ImageOps.fit(image, size, chosen, bleed=(1 - self.crop) / 2)
        else:
            fitted = self._letterbox(image)
        return np.asarray(fitted, dtype=np.uint8)

    def _letterbox(self, image: Image.Image) -> Image.Image:
        scale = min(self.width_px / image.width, self.height_px / image.height)
        # Pillow's own pad() rounds the short side of a very thin picture down to nothing
        width, height = (max(1, round(side * scale)) for side in image.size)
        color = tuple(round(255 * value) for value in self.mean)
        canvas = Image.new("RGB", (self.width_px, self.height_px), color)
        inner = image.resize((width, height), _FILTERS[self.interpolation])
        canvas.paste(
            inner, (round((self.width_px - width) / 2), round((self.height_px - height) / 2))
        )
        return canvas

    def to_dict(self) -> dict[str, object]:
        """Plain values for a manifest; `from_dict` reads them back.

        A crop of 1 is left out: versions before it refuse settings that they do not know.
        """
        values = asdict(self)
        if self.crop == 1:
            del values["crop"]
        return values

    @classmethod
    def from_dict(cls, fields: object) -> Preprocess:
        """Read what `to_dict` wrote; unknown, missing or wrong fields are a `CdulEdgeError`."""
        try:
            settings = parse_record(cls, fields)
        except CdulEdgeError as error:
            raise CdulEdgeError(f"preprocess settings are not readable: {error}") from error
        odd = set(fields) - set(asdict(settings)) if isinstance(fields, dict) else set()
        if odd:  # of a newer version, where it may mean that the picture is another
            raise CdulEdgeError(f"preprocess settings are not readable: {', '.join(sorted(odd))}")
        return settings
