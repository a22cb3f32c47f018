"""What DeepStream reads of us, and people: nvinfer's configuration and a README.

Keys and values as in NVIDIA's "Gst-nvinfer" (DeepStream 6.0 to 9.2), and in the sources that
DeepStream ships (gstnvinfer_property_parser.cpp, nvdsinfer_model_builder.cpp).
"""

from __future__ import annotations

from dataclasses import dataclass

from cdul_edge_export.pipelines.provenance import Provenance
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.pictures.preprocess import Preprocess

MODEL, CONFIG, LABELS, README = "model.onnx", "config_infer.txt", "labels.txt", "README.md"

_NETWORK_MODE = {Precision.FP32: 0, Precision.INT8: 1, Precision.FP16: 2}
_WEAK_FLAGS = {Precision.FP32: "", Precision.FP16: " --fp16", Precision.INT8: " --int8 --fp16"}
_MANY_LAYERS = 200
_FRAMES = ((1920, 1080), (1280, 720), (640, 480))


def limits(preprocess: Preprocess, classes: int) -> tuple[str, ...]:
    """What DeepStream does not do as `predict` does, and what it costs, a sentence each."""
    found = _differences(preprocess)
    if classes > _MANY_LAYERS:
        found.append(
            f"{classes} classes are as many output layers, each copied from the GPU by itself: "
            f"beyond {_MANY_LAYERS}, TensorRT for RTX also runs a kernel for each, and its engine "
            "grows by 130 KiB for each"
        )
    return tuple(found)


def _differences(preprocess: Preprocess) -> list[str]:
    found = [
        f"nvinfer shrinks frames without antialiasing, and the network was trained on antialiased "
        f"{preprocess.interpolation} pictures: some labels differ, the more the larger the frame"
    ]
    if preprocess.resize == "center":
        found.append(
            "nvinfer cannot crop the center of a frame as the network was trained: crop upstream, "
            "as the README shows; without that it sees the whole frame squashed"
        )
    if preprocess.resize == "letterbox":
        red, green, blue = (round(255 * value) for value in preprocess.mean)
        found.append(
            f"nvinfer pads with black, and the network was trained with bars of RGB "
            f"({red}, {green}, {blue})"
        )
    return found


@dataclass(frozen=True)
class DeepStreamText:
    """The facts that both texts state.

    Attributes:
        provenance: from which bundle.
        preprocess: how the bundle's own pictures are made.
        precision: of the graph.
        batch_size: most frames in one call: the number of cameras.
        classes: number of output layers.
    """

    provenance: Provenance
    preprocess: Preprocess
    precision: Precision
    batch_size: int
    classes: int

    def config(self) -> str:
        """config_infer.txt. A comment stands on a line of its own: GKeyFile knows no other."""
        letterbox = int(self.preprocess.resize == "letterbox")
        lines = [
            f"# {self.provenance.comment()}",
            "# Each class is an output layer of one value: its score where that reaches the",
            "# class's threshold, else 0. Leave classifier-threshold at 0: above it is a label.",
            *(f"# {line}." for line in limits(self.preprocess, self.classes)),
            "",
            "[property]",
            "gpu-id=0",
            "gie-unique-id=1",
            "# whole frames; for the objects of a detector: process-mode=2 and operate-on-gie-id=1",
            "process-mode=1",
            "network-type=1",
            "classifier-threshold=0",
            f"labelfile-path={LABELS}",
            *self._model_lines(),
            f"network-mode={_NETWORK_MODE[self.precision]}",
            "# the number of cameras",
            f"batch-size={self.batch_size}",
            "interval=0",
            "# RGB from 0 to 255: the graph normalizes",
            "model-color-format=0",
            "net-scale-factor=1.0",
            "offsets=0;0;0",
            f"maintain-aspect-ratio={letterbox}",
            f"symmetric-padding={letterbox}",
            "# bilinear",
            "scaling-filter=1",
        ]
        return "\n".join(lines) + "\n"

    def readme(self) -> str:
        """README.md."""
        return (
            "\n\n".join(
                (
                    "# A cdul-edge classifier for DeepStream",
                    f"Written by {self.provenance.comment()}. {self.classes} classes, "
                    f"{self.preprocess.width_px}x{self.preprocess.height_px} px.",
                    *self._engine_section(),
                    *self._pipeline_section(),
                    *self._result_section(),
                    *self._difference_section(),
                )
            )
            + "\n"
        )

    @property
    def _engine(self) -> str:
        """nvinfer's own name for FP32, so that its second start finds what its first built."""
        if self.precision is Precision.FP32:
            return f"{MODEL}_b{self.batch_size}_gpu0_fp32.engine"
        return f"model.{self.precision.value}.engine"

    def _model_lines(self) -> list[str]:
        if self.precision is Precision.FP32:
            return [
                "# nvinfer builds the engine on its first start, with TF32 on GPUs that have it",
                f"onnx-file={MODEL}",
                f"model-engine-file={self._engine}",
            ]
        return [
            "# Build it first, as README.md says. There is no onnx-file on purpose: nvinfer would",
            f"# build another network than this one, whose {self.precision.value} layers were "
            "chosen and measured.",
            f"model-engine-file={self._engine}",
        ]

    def _engine_section(self) -> tuple[str, ...]:
        size = f"3x{self.preprocess.height_px}x{self.preprocess.width_px}"
        shapes = " ".join(
            f"--{kind}Shapes=images:{batch}x{size}"
            for kind, batch in (("min", 1), ("opt", self.batch_size), ("max", self.batch_size))
        )
        typed = " --noTF32" if self.precision is Precision.FP32 else " --stronglyTyped"
        command = f"trtexec --onnx={MODEL} --saveEngine={self._engine} {shapes}{typed}"
        if self.precision is Precision.FP32:
            intro = (
                "nvinfer builds the engine on its first start. To build it beforehand, and without "
                "TF32, which keeps 10 of FP32's 23 bits:"
            )
            return "## Engine", intro, f"    {command}"
        old = _WEAK_FLAGS[self.precision].strip()
        return (
            "## Engine",
            "Build it on the machine that runs it, with its own TensorRT (10 or later); `trtexec` "
            "lies in `/usr/src/tensorrt/bin`:",
            f"    {command}",
            f"TensorRT 8.6 (DeepStream 7.0 and earlier) takes `{old}` in place of "
            "`--stronglyTyped`, and is then free to choose the precision of layers. A change of "
            "`batch-size` needs a new engine.",
        )

    def _pipeline_section(self) -> tuple[str, ...]:
        return (
            "## Run it",
            "Give the muxer the camera's own size; otherwise it scales every frame once more.",
            "    gst-launch-1.0 nvstreammux name=mux batch-size=1 width=1280 height=720 "
            "live-source=1 \\\n"
            f"      ! nvinfer config-file-path={CONFIG} ! nvvideoconvert ! nvdsosd \\\n"
            "      ! nveglglessink sync=0 \\\n"
            "      uridecodebin uri=rtsp://CAMERA/stream ! mux.sink_0",
            "In a configuration of `deepstream-app`:",
            f"    [primary-gie]\n    enable=1\n    gie-unique-id=1\n    config-file={CONFIG}",
            "After a detector set `process-mode=2`, `operate-on-gie-id=1` and a `gie-unique-id` of "
            "its own, and name the file under `[secondary-gie0]`.",
        )

    def _result_section(self) -> tuple[str, ...]:
        return (
            "## What comes out",
            "One `NvDsClassifierMeta` per frame that has a label, with one `NvDsLabelInfo` per "
            "label: `result_label` is the class, `result_prob` its score, `label_id` its column. "
            "`result_class_id` is always 0. A frame without labels has no meta.",
        )

    def _difference_section(self) -> tuple[str, ...]:
        found = ["## What DeepStream does otherwise"]
        found.append("\n".join(f"- {line}." for line in limits(self.preprocess, self.classes)))
        found.append(
            "`scaling-filter=3` averages on the GPU (NvBufSurfTransform's Super). Imitated in "
            "PyTorch, it changed fewer labels than bilinear on frames three times the network's "
            "input, and more on those of one and a half times."
        )
        if self.preprocess.resize == "center":
            found.append(
                "Put this before the muxer, and give the muxer the size of the crop:\n\n"
                + "\n".join(self._crop(*frame) for frame in _FRAMES)
            )
        found.append(
            "DeepStream was not at hand when this was written: labels were compared with the "
            "bundle's under a re-implementation of its rule, in ONNX Runtime."
        )
        return tuple(found)

    def _crop(self, width: int, height: int) -> str:
        left, top, right, bottom = map(round, self.preprocess.shown_box((width, height)))
        wide, high = right - left, bottom - top
        return (
            f"    {width}x{height}: nvvideoconvert src-crop={left}:{top}:{wide}:{high} ! "
            f"'video/x-raw(memory:NVMM),width={wide},height={high}'"
        )
