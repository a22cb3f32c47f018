"""The encoder of a run: the one that was asked for, or the winner of a trial of precisions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from time import perf_counter

from cdul_edge.clip.choices import Library, Precision
from cdul_edge.clip.models import LoadedClip
from cdul_edge.labelling.arrays import Pixels
from cdul_edge.labelling.encode.choose_library import (
    as_candidate,
    choose_library,
    has_openvino_bf16,
    may_try_openvino,
    worth_a_trial,
)
from cdul_edge.labelling.encode.cpu_layers import multiplies_bf16
from cdul_edge.labelling.encode.encoder import choose_batch_pictures, choose_device
from cdul_edge.labelling.encode.image_encoder import ImageEncoder
from cdul_edge.labelling.encode.open_encoder import Wish, open_encoder
from cdul_edge.labelling.encode.prompts import Prompts
from cdul_edge.labelling.encode.trial import Candidate, run_trial
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console

# A round of a candidate shall take no longer, unless the fewest views that say something do.
ROUND_SECONDS = 0.3
FEWEST_VIEWS = 16
SAMPLE_VIEWS = 240  # where time allows: one of them may then name another class

# Gives so many views (K, 1, S, S, 3), as the encoder takes them, of the pictures to be encoded.
ReadSample = Callable[[ImageEncoder, int], Pixels]
# What may be tried: a library, and a precision in it.
Way = tuple[Library, Precision]


def choose_encoder(
    clip: LoadedClip, wish: Wish, prompts: Prompts, read: ReadSample, console: Console
) -> ImageEncoder:
    """As `choose_library`.

    With precision "auto" on a CPU it is the one that a trial chooses; a folder that goes on keeps
    the precision that it was begun in.

    Args:
        clip: is not to be used any more.
        wish: what was asked for.
        prompts: of the classes.
        read: reads a sample of the pictures.
        console: is told what the trial found.

    Raises:
        CdulEdgeError: as `open_encoder`.
    """
    library = (wish.kept or "torch") if wish.encoder == "auto" else wish.encoder
    on_cpu = wish.device != "cuda" and (library != "torch" or choose_device(wish.device) == "cpu")
    open_choice = on_cpu and wish.precision in (None, "auto")
    if open_choice and wish.kept_precision in ("fp32", "bf16"):
        kept: Precision = "bf16" if wish.kept_precision == "bf16" else "fp32"
        return choose_library(clip, replace(wish, precision=kept), prompts, console)
    if wish.precision != "auto" or not open_choice:
        return choose_library(clip, wish, prompts, console)
    encoders: dict[str, ImageEncoder] = {}

    def openvino_pays() -> bool:
        *_, fastest = encoders.values()  # torch's, in bfloat16 where there is that
        return may_try_openvino(wish) and worth_a_trial(clip, wish, fastest)

    for library, precision in list_ways(wish, openvino_pays):
        name = precision if library == "torch" else f"{library} {precision}"
        asked = replace(wish, encoder=library, precision=precision)
        try:
            encoders[name] = open_encoder(clip.with_own_tower(), asked, console)
        except CdulEdgeError as error:
            if not encoders:
                raise
            console.say(f"{name} is not tried: {error}")
    clip.drop_tower()
    name, first = next(iter(encoders.items()))
    if len(encoders) == 1:
        console.say(f"{name} is used: this machine has nothing faster to try")
        return first
    texts = first.embed_texts(replace(prompts, templates=prompts.templates[:1]))
    batches = _cut(first, read(first, SAMPLE_VIEWS))
    trial = run_trial([as_candidate(*named) for named in encoders.items()], batches, texts)
    console.say(str(trial))
    return encoders[trial.chosen]


def list_ways(wish: Wish, openvino_pays: Callable[[], bool]) -> Iterator[Way]:
    """What to try on this CPU, in float32 first: the others must agree with it.

    Args:
        wish: what was asked for.
        openvino_pays: is asked, for "auto", when torch's ways have been taken.
    """
    if wish.encoder == "onnx":
        yield "onnx", "fp32"
    elif wish.encoder == "openvino":
        yield "openvino", "fp32"
        if has_openvino_bf16():
            yield "openvino", "bf16"
    else:
        yield "torch", "fp32"
        if multiplies_bf16():
            yield "torch", "bf16"
        if wish.encoder == "auto" and openvino_pays():
            yield "openvino", "bf16" if has_openvino_bf16() else "fp32"


def _cut(encoder: ImageEncoder, sample: Pixels) -> list[Pixels]:
    """A batch for each stream of the encoder, as large as a round's time allows."""
    streams = encoder.held_batches - 1
    one: Candidate = as_candidate("", encoder)
    single = [sample[:1]] * streams
    one.embed(single)
    start = perf_counter()
    one.embed(single)
    fitting = choose_batch_pictures(encoder.image_size_px, 1, encoder.device)
    size = int(ROUND_SECONDS / (perf_counter() - start))
    size = max(-(-FEWEST_VIEWS // streams), min(size, len(sample) // streams, fitting))
    return [sample[at : at + size] for at in range(0, min(streams * size, len(sample)), size)]
