"""`from cdul_edge import label, sample, train, export, calibrate, build, export_config, verify`.

Each takes its request, or the request's fields as keywords (paths may be strings), and gives its
result. What a verb needs is imported when it is called: the names can be imported on a device that
has no PyTorch. In a script that torchrun copied, `train` shares its work; others run in one copy.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, overload

from cdul_edge.front.asking import ask
from cdul_edge.front.hub_verbs import pull as pull
from cdul_edge.front.hub_verbs import push as push
from cdul_edge.front.page_verbs import report as report
from cdul_edge.front.page_verbs import review as review
from cdul_edge.front.tool_verbs import convert as convert
from cdul_edge.launcher import refuse_later_copies

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from cdul_edge.front.export_run import ExportRunRequest
    from cdul_edge.front.keywords import (
        BuildKeywords,
        CalibrateKeywords,
        ExportConfigKeywords,
        ExportKeywords,
        LabelKeywords,
        SampleKeywords,
        TrainKeywords,
        VerifyKeywords,
    )
    from cdul_edge.front.sampling import SampleRequest, SampleResult
    from cdul_edge.labelling import ImportRequest, LabelRequest, LabelResult
    from cdul_edge.training import TrainRequest, TrainResult
    from cdul_edge_calibration import CalibrateRequest, CalibrateResult
    from cdul_edge_export import (
        BuildRequest,
        BuildResult,
        ExportConfigRequest,
        ExportConfigResult,
        ExportResult,
    )
    from cdul_edge_runtime.host.console import Console
    from cdul_edge_runtime.verify import VerifyReport, VerifyRequest


@overload
def label(
    request: LabelRequest | ImportRequest, /, *, console: Console | None = None
) -> LabelResult: ...
@overload
def label(*, console: Console | None = None, **keywords: Unpack[LabelKeywords]) -> LabelResult: ...
def label(
    request: LabelRequest | ImportRequest | None = None,
    /,
    *,
    console: Console | None = None,
    **keywords: object,
) -> LabelResult:
    """Score pictures against class names with CLIP, and write pseudo-labels.

    Args:
        request: a `cdul_edge.labelling.LabelRequest`, or an `ImportRequest`.
        console: where lines and progress go; without one, only warnings are issued.
        **keywords: the fields of a `LabelRequest`, in place of `request`.

    Raises:
        CdulEdgeError: wrong input, or labels at `out` that were made otherwise.
    """
    from cdul_edge import labelling

    if not isinstance(request, labelling.ImportRequest):
        request = ask(labelling.LabelRequest, request, keywords)
    on_ray = isinstance(request, labelling.LabelRequest) and request.engine == "ray"
    refuse_later_copies("label", on_ray=on_ray)
    return labelling.label(request, console)


@overload
def sample(request: SampleRequest, /, *, console: Console | None = None) -> SampleResult: ...
@overload
def sample(
    *, console: Console | None = None, **keywords: Unpack[SampleKeywords]
) -> SampleResult: ...
def sample(
    request: SampleRequest | None = None, /, *, console: Console | None = None, **keywords: object
) -> SampleResult:
    """Draw pictures for people to answer about, so that they can say how good scores are.

    Args:
        request: a `cdul_edge.front.sampling.SampleRequest`.
        console: where to warn; without one, warnings are issued.
        **keywords: the fields of a `SampleRequest`, in place of `request`.

    Raises:
        CdulEdgeError: scores that cannot be drawn from, or a sheet that exists already.
    """
    refuse_later_copies("sample")
    from cdul_edge.front import sampling

    return sampling.sample(ask(sampling.SampleRequest, request, keywords), console)


@overload
def train(request: TrainRequest, /, *, console: Console | None = None) -> TrainResult: ...
@overload
def train(*, console: Console | None = None, **keywords: Unpack[TrainKeywords]) -> TrainResult: ...
def train(
    request: TrainRequest | None = None, /, *, console: Console | None = None, **keywords: object
) -> TrainResult:
    """Train a network on pseudo-labels, or resume a run that was interrupted.

    Methods that look at pictures again get the CLIP that made the labels.

    Args:
        request: a `cdul_edge.training.TrainRequest`.
        console: where lines and progress go; without one, only warnings are issued.
        **keywords: the fields of a `TrainRequest`, in place of `request`.

    Raises:
        CdulEdgeError: labels, pictures, weights or settings that do not fit.
    """
    refuse_later_copies("train")
    from cdul_edge import training
    from cdul_edge.labelling.encode.crop_scorer import ClipOfLabels

    request = ask(training.TrainRequest, request, keywords)
    if request.clip is None:
        request = replace(request, clip=ClipOfLabels(request.labels))
    return training.train(request, console)


@overload
def export(request: ExportRunRequest, /, *, console: Console | None = None) -> ExportResult: ...
@overload
def export(
    *, console: Console | None = None, **keywords: Unpack[ExportKeywords]
) -> ExportResult: ...
def export(
    request: ExportRunRequest | None = None,
    /,
    *,
    console: Console | None = None,
    **keywords: object,
) -> ExportResult:
    """Export a finished run to ONNX, compare it with PyTorch, and write a bundle.

    Args:
        request: a `cdul_edge.front.export_run.ExportRunRequest`. (A network of your own is exported
            by `cdul_edge_export.export`.)
        console: where to say what was made; without one, only warnings are issued.
        **keywords: the fields of an `ExportRunRequest`, in place of `request`.

    Raises:
        CdulEdgeError: no finished run, or a graph whose scores are too far from PyTorch's.
    """
    refuse_later_copies("export")
    from cdul_edge.front import export_run

    return export_run.export_run(ask(export_run.ExportRunRequest, request, keywords), console)


@overload
def calibrate(
    request: CalibrateRequest, /, *, console: Console | None = None
) -> CalibrateResult: ...
@overload
def calibrate(
    *, console: Console | None = None, **keywords: Unpack[CalibrateKeywords]
) -> CalibrateResult: ...
def calibrate(
    request: CalibrateRequest | None = None,
    /,
    *,
    console: Console | None = None,
    **keywords: object,
) -> CalibrateResult:
    """Add FP16 and INT8 files to a bundle, each held to an accuracy budget.

    Args:
        request: a `cdul_edge_calibration.CalibrateRequest`.
        console: where lines and progress go; without one, only warnings are issued.
        **keywords: the fields of a `CalibrateRequest`, in place of `request`.

    Raises:
        CdulEdgeError: pictures that do not fit the bundle, or files that exist already.
    """
    refuse_later_copies("calibrate")
    import cdul_edge_calibration as calibration

    return calibration.calibrate(ask(calibration.CalibrateRequest, request, keywords), console)


@overload
def build(request: BuildRequest, /, *, console: Console | None = None) -> BuildResult: ...
@overload
def build(*, console: Console | None = None, **keywords: Unpack[BuildKeywords]) -> BuildResult: ...
def build(
    request: BuildRequest | None = None, /, *, console: Console | None = None, **keywords: object
) -> BuildResult:
    """Build TensorRT engines from a bundle, for this machine; needs no PyTorch.

    Args:
        request: a `cdul_edge_export.BuildRequest`.
        console: where to say what is done; without one, only warnings are issued.
        **keywords: the fields of a `BuildRequest`, in place of `request`.

    Raises:
        CdulEdgeError: no TensorRT or no GPU, or engines that exist already.
    """
    refuse_later_copies("build")
    import cdul_edge_export

    return cdul_edge_export.build(ask(cdul_edge_export.BuildRequest, request, keywords), console)


@overload
def export_config(
    request: ExportConfigRequest, /, *, console: Console | None = None
) -> ExportConfigResult: ...
@overload
def export_config(
    *, console: Console | None = None, **keywords: Unpack[ExportConfigKeywords]
) -> ExportConfigResult: ...
def export_config(
    request: ExportConfigRequest | None = None,
    /,
    *,
    console: Console | None = None,
    **keywords: object,
) -> ExportConfigResult:
    """Write a bundle for NVIDIA's DeepStream, or for the Triton Inference Server.

    Args:
        request: a `cdul_edge_export.ExportConfigRequest`.
        console: where to say what the other program does otherwise; without one, warnings are
            issued.
        **keywords: the fields of an `ExportConfigRequest`, in place of `request`.

    Raises:
        CdulEdgeError: a precision that the other program cannot run, or a folder that is taken.
    """
    refuse_later_copies("export_config")
    import cdul_edge_export as exporting

    asked = ask(exporting.ExportConfigRequest, request, keywords)
    return exporting.export_config(asked, console)


@overload
def verify(request: VerifyRequest, /, *, console: Console | None = None) -> VerifyReport: ...
@overload
def verify(
    *, console: Console | None = None, **keywords: Unpack[VerifyKeywords]
) -> VerifyReport: ...
def verify(
    request: VerifyRequest | None = None, /, *, console: Console | None = None, **keywords: object
) -> VerifyReport:
    """Compare a bundle with PyTorch's stored scores on this machine, and time it.

    Args:
        request: a `cdul_edge_runtime.verify.VerifyRequest`.
        console: where to warn; without one, warnings are issued.
        **keywords: the fields of a `VerifyRequest`, in place of `request`.

    Raises:
        CdulEdgeError: no bundle, or a device that is not here.
    """
    refuse_later_copies("verify")
    from cdul_edge_runtime import verify as verification

    return verification.verify(ask(verification.VerifyRequest, request, keywords), console)
