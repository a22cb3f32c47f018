"""What a labels folder says of itself, and whether its files are the ones that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from cdul_edge.labels.settings import ClipRun, ClipSettings, ImportSettings, Kind, Snippets
from cdul_edge.storage.location import Location
from cdul_edge.storage.open_storage import open_storage
from cdul_edge.storage.storage import Storage
from cdul_edge.version import __version__
from cdul_edge_runtime.errors import CdulEdgeError, LabelsError
from cdul_edge_runtime.host.files import encode_json, parse_json
from cdul_edge_runtime.host.json_record import RecordError, parse_record
from cdul_edge_runtime.host.ownership import FolderKind

FORMAT = 1
MANIFEST = "manifest.json"
# What the parts of the store are: the manifest of 10^8 pictures names none of them.
PARTS = "parts.parquet"
_KIND = "labels"
_READ_AT_ONCE = 8
_REPAIR = "run the same `cdul-edge label` command with --repair"
LABELS_FOLDER = FolderKind(
    "labels folder",
    MANIFEST,
    (
        MANIFEST,
        PARTS,
        "pictures.parquet",
        "shards.parquet",
        "pseudo_labels.parquet",
        "pseudo_labels.parquet/part-*.parquet",
        "pseudo_labels.parquet/_common_metadata",
        "unfinished_labels/part-*.parquet",
        "similarities/part-*.parquet",
        "embeddings/part-*.parquet",
        "earlier/*.parquet",
    ),
)


class DamagedManifestError(LabelsError):
    """A manifest that was truncated or edited, of files that may be whole."""


@dataclass(frozen=True)
class StoreFacts:
    """What the similarity store holds.

    Attributes:
        views: rows per picture.
        snippets: what the rows after the first are.
        parts: number of files.
        model_temperature: 1 / logit_scale of the CLIP, measured or assumed.
        cached_temperature: of imported softmax values; None for cosines.
        digest: sha256 of all settings behind the values.
    """

    views: int
    snippets: Snippets
    parts: int
    model_temperature: float
    cached_temperature: float | None
    digest: str
    kind: Kind = "snippets"


@dataclass(frozen=True)
class Inputs:
    """Which pictures were labeled.

    Attributes:
        root: the folder that paths are relative to.
        pictures: how many; None for shards, which were not read when this was written.
        paths_sha256: of the list, in order; of shards, of their names and sizes.
        images: the folder, list or shards that were given; None for an import without pictures.
        similarities: the file that was imported.
    """

    root: str
    pictures: int | None
    paths_sha256: str
    images: str | None = None
    similarities: str | None = None


@dataclass(frozen=True)
class Counts:
    """How many pictures there are, and what became of them."""

    pictures: int
    labelled: int
    skipped: int


@dataclass(frozen=True)
class SkippedPicture:
    """A picture that could not be read, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class FileFacts:
    """What a file was when it was written."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class LabelsManifest:
    """The manifest of a labels folder; the fields after `inputs` come when it is finished.

    Attributes:
        prompts: class to prompts; None for imported similarities, as `templates` and `model`.
        skipped: the first pictures that could not be read; the store has them all.
        pseudo_labels: how similarities became scores, for people.
        thresholds: of each class; None for one that no picture shows.
        files: name, relative to the folder, to what it was; of the parts, only cdul-edge 0.1 named
            each: `parts.parquet` does now.
        version: of the program that wrote it.
        resizers: what resized the pictures, in order where another one went on; none is named
            where Pillow alone could do it, or where the similarities were imported.
    """

    complete: bool
    settings: ClipSettings | ImportSettings
    classes: tuple[str, ...]
    prompts: Mapping[str, tuple[str, ...]] | None
    templates: tuple[str, ...] | None
    model: ClipRun | None
    similarities: StoreFacts
    inputs: Inputs
    counts: Counts | None = None
    skipped: tuple[SkippedPicture, ...] = ()
    pseudo_labels: Mapping[str, object] | None = None
    thresholds: tuple[float | None, ...] | None = None
    files: Mapping[str, FileFacts] = field(default_factory=dict)
    version: str = __version__
    resizers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.files:
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise RecordError(f"it names {name!r}, which is not in its folder")
        if self.thresholds is not None and len(self.thresholds) != len(self.classes):
            raise RecordError("it has no threshold for each class")

    def write(self, folder: Location, files: Sequence[str]) -> None:
        """Write it into `folder`; the files named are recorded with digest and size."""
        storage = open_storage(folder)
        sizes = storage.sizes_of(files)
        recorded = {name: FileFacts(storage.sha256(name), sizes[name]) for name in files}
        content = asdict(replace(self, files=recorded, version=__version__))
        content["settings"] = self.settings.to_dict()
        head = {"format": FORMAT, "kind": _KIND, "program": "cdul-edge"}
        with storage.write_stream(MANIFEST) as file:
            file.write(encode_json({**head, **content}))


def find_faults(
    storage: Storage, expected: Mapping[str, FileFacts], sizes: Mapping[str, int], *, digests: bool
) -> dict[str, str]:
    """What is wrong with files: missing, of another size or, by digest, changed.

    Args:
        storage: the folder.
        expected: what each file was, by name.
        sizes: of the files that are there.
        digests: read the files, too.
    """
    faults = {}
    for name, recorded in expected.items():
        size = sizes.get(name)
        if size is None:
            faults[name] = "is missing"
        elif size != recorded.bytes:
            faults[name] = f"has {size} bytes, expected {recorded.bytes}"
    if digests:
        names = [name for name in expected if name not in faults]
        with ThreadPoolExecutor(_READ_AT_ONCE) as pool:  # a network answers many at a time
            for name, sha256 in zip(names, pool.map(storage.sha256, names), strict=True):
                if sha256 != expected[name].sha256:
                    faults[name] = "is not the file that was written"
    return faults


def refuse_faults(folder: Location, faults: Mapping[str, str]) -> None:
    """Raise `LabelsError` naming the first faults, if there are any."""
    named = [f"{name} {fault}" for name, fault in faults.items()]
    if named:
        more = f"; and {len(named) - 5} more" if len(named) > 5 else ""
        raise LabelsError(f"{folder} is damaged: {'; '.join(named[:5])}{more}: {_REPAIR}")


def read_manifest(folder: Location) -> LabelsManifest | None:
    """The manifest of a labels folder; None where there is none.

    Raises:
        LabelsError: it is damaged, of another kind, or of another format.
    """
    file = folder / MANIFEST
    try:
        text = open_storage(folder).read(MANIFEST)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        content = parse_json(text, str(file))
    except CdulEdgeError as error:
        raise DamagedManifestError(f"{error}: {_REPAIR}") from error
    if not isinstance(content, dict) or content.get("kind") != _KIND:
        raise LabelsError(
            f"{file} is not the manifest of a labels folder: name the folder that "
            "`cdul-edge label` wrote"
        )
    if content.get("format") != FORMAT:
        raise LabelsError(
            f"{folder} has labels format {content.get('format')}, made by cdul-edge "
            f"{content.get('version')}; this program reads {FORMAT}: label again into another "
            "folder, or use the program that made it"
        )
    try:
        return parse_record(LabelsManifest, content)
    except RecordError as error:
        raise DamagedManifestError(f"{file} is damaged, {error}: {_REPAIR}") from error


def check_labels_folder(folder: Location) -> None:
    """Refuse an unfinished folder, and one whose files are missing or truncated.

    A folder without a manifest passes: nothing is claimed of its files.

    Raises:
        LabelsError: naming the files at fault.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        return
    if not manifest.complete:
        raise LabelsError(
            f"{folder} is not finished: the same `cdul-edge label` command resumes it"
        )
    storage = open_storage(folder)
    sizes = storage.sizes_of(manifest.files)
    refuse_faults(folder, find_faults(storage, manifest.files, sizes, digests=False))
