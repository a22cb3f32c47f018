from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
import torchvision
from PIL import Image
from torch import nn
from torch.nn import functional

from cdul_edge.training.networks.local_global import LocalGlobalConv
from cdul_edge_calibration.graphs.tensorrt_rules import find_violations
from cdul_edge_export.bundle_export import ExportRequest
from cdul_edge_export.bundle_export import export as export_bundle
from cdul_edge_export.deploy import Deploy, score_pictures, torch_scores
from cdul_edge_export.onnx_export import to_onnx
from cdul_edge_export.reference import ReferencePictures, choose_reference
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.images import PictureList
from cdul_edge_runtime.pictures.preprocess import Preprocess
from tests.fakes.full_disk import largest_file
from tests.fakes.openvino_agreement import check_openvino
from tests.fakes.warm_network import warm

CLASSES = ClassList(("cat", "dog", "hen"))
PHOTOS = Path(__file__).parents[2].parent / "shared" / "data" / "photos"


def pixels(count: int, size_px: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (count, size_px, size_px, 3), dtype=np.uint8)


def export(network: nn.Module, out: Path, size_px: int = 32, **options: Any) -> Bundle:
    settings: dict[str, Any] = {
        "classes": CLASSES,
        "preprocess": Preprocess(size_px, size_px),
        "thresholds": np.array([0.5, 0.2, np.inf], np.float32),
        "reference": ReferencePictures(pixels(3, size_px), ("0", "1", "2")),
        "provenance": {"run": {"seed": 1}},
    }
    return export_bundle(ExportRequest(network, out, **(settings | options))).bundle


def small_network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 3),
    )
    return warm(network, 32)


class MeanAndMax(nn.Module):
    """A trunk with the two poolings of the CLIP student side by side."""

    def __init__(self, trunk: nn.Module, width: int) -> None:
        super().__init__()
        self.trunk, self.head = trunk, nn.Linear(2 * width, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.trunk(images)
        pooled = torch.cat([features.mean((2, 3)), features.amax((2, 3))], dim=1)
        return self.head(pooled)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return export(small_network(), tmp_path_factory.mktemp("export") / "bundle")


def operators(bundle: Bundle) -> list[str]:
    return [node.op_type for node in onnx.load(bundle.model_path()).graph.node]


def test_the_graph_casts_first_and_holds_nothing_superfluous(exported: Bundle) -> None:
    assert operators(exported) == (
        "Cast Transpose Mul Add Conv Relu GlobalAveragePool Flatten Gemm Sigmoid".split()
    )
    assert exported.manifest.graph.opset == 17
    assert exported.manifest.graph.ir_version == 8
    assert exported.manifest.graph.newer_operators == ()


def test_any_batch_size_gives_what_torch_gives(exported: Bundle) -> None:
    network, preprocess = small_network(), exported.manifest.preprocess
    with Classifier.load(exported.folder) as classifier:
        for count in (1, 2, 5):
            inputs = pixels(count, 32, seed=count)
            expected = torch_scores(network, preprocess, torch.from_numpy(inputs)).numpy()
            assert classifier.backend.infer(inputs) == pytest.approx(expected, abs=1e-5)


def test_the_bundle_holds_what_it_was_made_from(exported: Bundle) -> None:
    manifest, reference = exported.manifest, exported.reference()
    assert manifest.classes == CLASSES
    assert manifest.thresholds.tolist() == pytest.approx([0.5, 0.2, np.inf])
    assert manifest.provenance == {"run": {"seed": 1}}
    assert manifest.parity.batches == (1, 3)
    assert 0 <= manifest.parity.mean_error <= manifest.parity.max_error <= 1e-5
    assert (reference.inputs == pixels(3, 32)).all()
    assert reference.names == ("0", "1", "2")
    expected = torch_scores(small_network(), manifest.preprocess, torch.from_numpy(pixels(3, 32)))
    assert reference.scores == pytest.approx(expected.numpy(), abs=1e-6)


def test_exporting_twice_gives_the_same_bytes(exported: Bundle, tmp_path: Path) -> None:
    again = export(small_network(), tmp_path / "again")
    assert again.manifest.files == exported.manifest.files


class FunctionalPooling(nn.Module):
    """Pools in `forward`, as DenseNet does, and asks for the batch size, as a ViT does."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)
        self.token = nn.Parameter(torch.ones(1, 4))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        pooled = functional.adaptive_avg_pool2d(self.convolution(images), (1, 1))
        return torch.cat([torch.flatten(pooled, 1), self.token.expand(images.shape[0], -1)], dim=1)


def test_pooling_in_forward_becomes_global_pooling() -> None:
    preprocess = Preprocess(32, 32)
    model, newer = to_onnx(Deploy(FunctionalPooling().eval(), preprocess), preprocess)
    operators = [node.op_type for node in model.graph.node]
    assert newer == ()
    assert operators.count("GlobalAveragePool") == 1
    assert not {"Gather", "Range", "AveragePool"} & set(operators)


def test_nothing_but_a_cast_reads_the_pixels() -> None:
    preprocess = Preprocess(32, 32)
    model, _ = to_onnx(Deploy(FunctionalPooling().eval(), preprocess), preprocess)
    readers = [n.op_type for n in model.graph.node if model.graph.input[0].name in n.input]
    assert readers == ["Cast"]
    assert "Shape" in [node.op_type for node in model.graph.node]


def test_nothing_is_written_where_the_graph_is_too_far_from_torch(tmp_path: Path) -> None:
    with pytest.raises(CdulEdgeError, match=r"limit -1 \(worst picture: \d\): nothing was written"):
        export(small_network(), tmp_path / "b", parity_limit=-1)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_behind_and_the_old_bundle_whole(tmp_path: Path) -> None:
    export(small_network(), tmp_path / "b")
    with largest_file(4096), pytest.raises(OSError, match="too large"):
        export(small_network(seed=1), tmp_path / "b", force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert len(Bundle.load(tmp_path / "b").manifest.files) == 2


def test_an_existing_bundle_is_kept_without_force_and_replaced_with_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine").write_text("mine")
    with pytest.raises(CdulEdgeError, match="--force"):
        export(small_network(), tmp_path / "b")
    assert (tmp_path / "b" / "mine").read_text() == "mine"
    with pytest.raises(CdulEdgeError, match="is not a bundle that cdul-edge made"):
        export(small_network(), tmp_path / "b", force=True)
    assert (tmp_path / "b" / "mine").read_text() == "mine"
    folder = tmp_path / "c"
    export(small_network(), folder)
    earlier = (folder / "model.fp32.onnx").read_bytes()
    with pytest.raises(CdulEdgeError, match="exists"):
        export(small_network(seed=1), folder)
    export(small_network(seed=1), folder, force=True)
    assert (folder / "model.fp32.onnx").read_bytes() != earlier


def test_a_network_that_does_not_fit_or_gives_nan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CdulEdgeError, match="for 2 classes"):
        export(small_network(), tmp_path / "b", classes=ClassList(("a", "b")))
    broken = small_network()
    with torch.no_grad():
        broken[5].bias.fill_(float("nan"))  # type: ignore[index]
    with pytest.raises(CdulEdgeError, match="gives NaN"):
        export(broken, tmp_path / "b")


def test_a_network_that_torch_cannot_trace_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    class Branching(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            means = images.mean((2, 3))
            return means if means.sum() > 0 else -means

    with pytest.raises(CdulEdgeError, match="torch cannot export this network") as raised:
        export(Branching(), tmp_path / "b")
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


def test_mean_and_max_pooling_keep_their_operators(tmp_path: Path) -> None:
    trunk = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU())
    bundle = export(warm(MeanAndMax(trunk, 8), 32), tmp_path / "b")
    assert Counter(operators(bundle))["GlobalMaxPool"] == 1
    assert Counter(operators(bundle))["GlobalAveragePool"] == 1
    assert bundle.manifest.graph.opset == 17


def test_a_clip_resnet_trunk_exports(tmp_path: Path) -> None:
    from open_clip.modified_resnet import ModifiedResNet

    tower = ModifiedResNet([1, 1, 1, 1], 64, heads=4, image_size=32, width=8)
    tower.attnpool = nn.Identity()
    bundle = export(warm(MeanAndMax(tower, 256), 32), tmp_path / "b")
    assert bundle.manifest.graph.opset == 17
    assert bundle.manifest.parity.max_error < 1e-5
    check_openvino(bundle)


def test_a_local_global_convolution_exports_at_opset_17(tmp_path: Path) -> None:
    torch.manual_seed(0)
    convolution = LocalGlobalConv(nn.Conv2d(8, 8, 3, stride=2, padding=1), "batch")
    nn.init.ones_(convolution.context.norm.weight)  # it starts too small to be seen
    trunk = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), convolution, nn.BatchNorm2d(8), nn.ReLU())
    bundle = export(warm(MeanAndMax(trunk, 8), 32), tmp_path / "b")
    assert bundle.manifest.graph.opset == 17
    assert bundle.manifest.parity.max_error < 1e-5
    assert Counter(operators(bundle))["Softmax"] == 1
    assert find_violations(onnx.load(bundle.model_path())) == []
    check_openvino(bundle)


@pytest.mark.parametrize(
    "name", ["resnet18", pytest.param("mobilenet_v3_small", marks=pytest.mark.slow)]
)
def test_a_torchvision_network_exports_at_opset_17(name: str, tmp_path: Path) -> None:
    network = getattr(torchvision.models, name)(num_classes=3)
    bundle = export(warm(network, 32), tmp_path / "b")
    assert bundle.manifest.graph.opset == 17
    assert not set(operators(bundle)) & {"BatchNormalization", "Gather", "Reshape", "ReduceMean"}
    check_openvino(bundle)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["efficientnet_b0", "convnext_tiny", "vit_b_16", "swin_t", "densenet121", "regnet_y_400mf"],
)
def test_every_other_family_exports_at_opset_17(name: str, tmp_path: Path) -> None:
    size = {"image_size": 32} if name.startswith("vit") else {}
    network = getattr(torchvision.models, name)(num_classes=3, **size)
    bundle = export(warm(network, 32), tmp_path / "b")
    assert bundle.manifest.graph.opset == 17
    assert bundle.manifest.parity.max_error < 1e-5
    check_openvino(bundle)


@pytest.mark.slow
@pytest.mark.skipif(not PHOTOS.is_dir(), reason="no photographs at ../shared/data/photos")
def test_resnet50_agrees_with_torch_on_photographs(tmp_path: Path) -> None:
    network = warm(torchvision.models.resnet50(num_classes=3), 64)
    paths = tuple(sorted(path.name for path in PHOTOS.iterdir()))
    reference = choose_reference(PictureList(PHOTOS, paths), Preprocess(224, 224))
    assert reference.names == paths
    bundle = export(network, tmp_path / "b", size_px=224, reference=reference)
    assert bundle.manifest.parity.max_error <= 1e-4


def test_reference_pictures_are_spread_over_the_list_and_skip_faults(tmp_path: Path) -> None:
    paths = tuple(f"{n}.png" for n in range(9))
    for n, path in enumerate(paths):
        Image.new("RGB", (20, 10), (n, 0, 0)).save(tmp_path / path)
    (tmp_path / "4.png").write_bytes(b"")
    pictures = PictureList(tmp_path, paths)
    reference = choose_reference(pictures, Preprocess(8, 8), count=3)
    assert reference.names == ("0.png", "8.png", "1.png")
    assert reference.inputs[:, 0, 0, 0].tolist() == [0, 8, 1]
    (fault,) = reference.skipped
    assert "4.png: is empty" in fault
    assert len(choose_reference(pictures, Preprocess(8, 8), count=50).names) == 8


def test_lost_reference_pictures_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CdulEdgeError, match=r"tried 2 of 2; .*a.png: cannot be .*--reference"):
        choose_reference(PictureList(tmp_path, ("a.png", "b.png")), Preprocess(8, 8))


def test_scores_of_files_follow_the_list_without_the_unreadable(tmp_path: Path) -> None:
    network, preprocess = small_network(), Preprocess(32, 32)
    for n, content in enumerate(pixels(3, 32)):
        Image.fromarray(content).save(tmp_path / f"{n}.png")
    pictures = PictureList(tmp_path, ("2.png", "x.png", "0.png"))
    scores, paths, unreadable = score_pictures(network, preprocess, pictures, batch_size=2)
    expected = torch_scores(network, preprocess, torch.from_numpy(pixels(3, 32)[[2, 0]]))
    assert scores == pytest.approx(expected.numpy(), abs=1e-6)
    assert paths == ["2.png", "0.png"]
    assert [Path(error.path).name for error in unreadable] == ["x.png"]
    with pytest.raises(CdulEdgeError, match="no picture can be read"):
        score_pictures(network, preprocess, PictureList(tmp_path, ("x.png",)))
