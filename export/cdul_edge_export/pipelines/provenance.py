"""What each folder says of itself: which bundle it was made from, and what it means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cdul_edge_export.pipelines.request import MARKER
from cdul_edge_runtime.bundle.bundle import MANIFEST, Bundle
from cdul_edge_runtime.bundle.manifest import PROGRAM, Precision, program_version
from cdul_edge_runtime.bundle.threshold_values import thresholds_to_json
from cdul_edge_runtime.choices import Pipeline
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import sha256_file
from cdul_edge_runtime.host.ownership import FolderKind

FORMAT = 1


@dataclass(frozen=True)
class Provenance:
    """From which bundle.

    Attributes:
        version: of the program that wrote it.
        bundle_sha256: digest of the bundle's manifest.json.
        model_sha256: digest of the ONNX file, or of the engine.
        precision: which of the bundle's files.
    """

    version: str
    bundle_sha256: str
    model_sha256: str
    precision: str

    @classmethod
    def of(cls, bundle: Bundle, precision: Precision, model_sha256: str) -> Provenance:
        """Of a bundle, which was checked, and one of its files."""
        digest = sha256_file(bundle.folder / MANIFEST)
        return cls(program_version(), digest, model_sha256, precision.value)

    def comment(self) -> str:
        """One line for a configuration file."""
        return (
            f"cdul-edge {self.version}, from the bundle whose {MANIFEST} has sha256 "
            f"{self.bundle_sha256} ({self.precision})"
        )


def marker(
    target: Pipeline, bundle: Bundle, provenance: Provenance, labels: tuple[str, ...]
) -> dict[str, object]:
    """The content of cdul-edge.json."""
    manifest = bundle.manifest
    return {
        "program": PROGRAM,
        "kind": target,
        "format": FORMAT,
        "version": provenance.version,
        "bundle_sha256": provenance.bundle_sha256,
        "model_sha256": provenance.model_sha256,
        "precision": provenance.precision,
        "classes": list(manifest.classes),
        "labels": list(labels),
        "thresholds": thresholds_to_json(manifest.thresholds),
        "preprocess": manifest.preprocess.to_dict(),
    }


def folder_kind(target: Pipeline, name: str, contents: tuple[str, ...]) -> FolderKind:
    """What a folder that `export-config` wrote looks like."""
    return FolderKind(name, MARKER, (MARKER, *contents), _written_for(target))


def served_file(bundle: Bundle, precision: Precision, allowed: tuple[Precision, ...]) -> str:
    """The name of the bundle's ONNX file of that precision, which is checked.

    Raises:
        CdulEdgeError: the other program cannot run it.
        BundleError: the bundle has none.
    """
    if precision not in allowed:
        raise CdulEdgeError(
            f"{precision.value} cannot be served there: choose "
            f"{', '.join(one.value for one in allowed)}"
        )
    return bundle.model_path(precision).name


def _written_for(target: Pipeline) -> Callable[[Mapping[str, object]], bool]:
    return lambda content: content.get("program") == PROGRAM and content.get("kind") == target
