"""All forms, by name."""

from __future__ import annotations

from cdul_edge.converting.formats.cleanlab import CLEANLAB
from cdul_edge.converting.formats.coco import COCO
from cdul_edge.converting.formats.csv_tables import CSV, CSV_SCORES
from cdul_edge.converting.formats.fiftyone import FIFTYONE
from cdul_edge.converting.formats.format import Format
from cdul_edge.converting.formats.image_folder import IMAGE_FOLDER
from cdul_edge.converting.formats.label_studio import LABEL_STUDIO
from cdul_edge.converting.formats.lightly_train import LIGHTLY_TRAIN
from cdul_edge.converting.formats.parquet import PARQUET
from cdul_edge.converting.request import FormatName

FORMATS: dict[FormatName, Format] = {
    one.name: one
    for one in (
        CSV,
        CSV_SCORES,
        COCO,
        IMAGE_FOLDER,
        PARQUET,
        LIGHTLY_TRAIN,
        CLEANLAB,
        LABEL_STUDIO,
        FIFTYONE,
    )
}
