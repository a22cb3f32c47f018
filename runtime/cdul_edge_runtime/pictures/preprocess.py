"""From a picture to the network's input: the one implementation, from training to the device."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.choices import Color
from cdul_edge_runtime.choices import Interpolation as Interpolation
from cdul_edge_runtime.choices import Resize as Resize
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.json_record import parse_record

if TYPE_CHECKING:
    from PIL import Image

    from cdul_edge_runtime.pictures.resizer import Box, Size

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocess:
    """How a picture becomes the (H, W, 3) uint8 RGB input of the network.

    The resize happens here, antialiased, as Pillow computes it (see `resizer`). Mean and standard
    deviation (of RGB values in [0, 1]) are applied inside the exported graph and by training,
    never by a caller.

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
        if self.interpolation not in get_args(Interpolation):
            faults.append(f"interpolation {self.interpolation!r}, expected bilinear or bicubic")
        if not 0 < self.crop <= 1:
            faults.append(f"crop {self.crop:g}, expected more than 0 and at most 1")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            faults.append(f"mean {self.mean}, std {self.std}, expected 3 values each, std > 0")
        if faults:
            raise CdulEdgeError(f"preprocess settings are wrong: {'; '.join(faults)}")

    def apply(
        self, image: Image.Image | npt.NDArray[np.uint8], *, color: Color = "rgb"
    ) -> npt.NDArray[np.uint8]:
        """Resize a picture to (H, W, 3) uint8 RGB.

        Args:
            image: an RGB picture, or a (height, width, 3) uint8 array of any strides.
            color: channel order of an array. Red and blue change places in the small picture.
        """
        if isinstance(image, np.ndarray):
            size = image.shape[1], image.shape[0]
        elif color != "rgb":
            raise ValueError(f"expected an array in {color}, got a picture of mode {image.mode}")
        elif image.mode != "RGB":
            raise ValueError(f"expected an RGB picture, got mode {image.mode}")
        else:
            size = image.size
        if self.resize == "letterbox":
            return self._letterbox(image, size, color)
        return self._fit(image, (self.width_px, self.height_px), self.shown_box(size), color)

    def shown_box(self, size: Size) -> Box:
        """(left, top, right, bottom) px of what the network sees of a (width, height) picture."""
        return self._center(size) if self.resize == "center" else (0, 0, *size)

    def _fit(
        self, image: Image.Image | npt.NDArray[np.uint8], size: Size, box: Box, color: Color
    ) -> npt.NDArray[np.uint8]:
        # here and not above: a manifest that is read at start must not wait for Pillow
        from cdul_edge_runtime.pictures.resizer import resize, resize_array

        if isinstance(image, np.ndarray):
            return resize_array(image, size, self.interpolation, box, color)

        from cdul_edge_runtime.pictures.rgb import pack

        return pack(resize(image, size, self.interpolation, box))

    def _center(self, size: Size) -> Box:
        """The box of `ImageOps.fit`: `crop` of both sides, then cut to the aspect ratio."""
        bleed = (1 - self.crop) / 2
        width, height = (side - 2 * (bleed * side) for side in size)
        ratio = self.width_px / self.height_px
        if width / height >= ratio:
            kept = ratio * height, height
        else:
            kept = width, width / ratio
        left = bleed * size[0] + (width - kept[0]) / 2
        top = bleed * size[1] + (height - kept[1]) / 2
        return left, top, min(left + kept[0], size[0]), min(top + kept[1], size[1])

    def _letterbox(
        self, image: Image.Image | npt.NDArray[np.uint8], size: Size, color: Color
    ) -> npt.NDArray[np.uint8]:
        scale = min(self.width_px / size[0], self.height_px / size[1])
        # Pillow's own pad() rounds the short side of a very thin picture down to nothing
        width, height = (max(1, round(side * scale)) for side in size)
        left, top = round((self.width_px - width) / 2), round((self.height_px - height) / 2)
        canvas = np.empty((self.height_px, self.width_px, 3), np.uint8)
        canvas[:] = [round(255 * value) for value in self.mean]
        inner = self._fit(image, (width, height), (0, 0, *size), color)
        canvas[top : top + height, left : left + width] = inner
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
