"""What `push` and `pull` are asked for, and what they give."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PushRequest:
    """A bundle for the Hub.

    Attributes:
        bundle: its folder.
        repository: "hf://user/name"; it is made where there is none.
        run: the run that it was exported from: its weights go along as safetensors, and what it
            measured on held-out images stands in the model card.
        license: as the Hub spells it, such as "apache-2.0"; None: the card says that it is unknown.
        revision: branch to commit to; it is made where there is none.
        private: make a new repository private.
        force: also push where the repository holds something else than a bundle, and replace a
            README.md that `push` did not write.
    """

    bundle: Path
    repository: str
    run: Path | None = None
    license: str | None = None
    revision: str = "main"
    private: bool = False
    force: bool = False


@dataclass(frozen=True)
class PushResult:
    """What was pushed.

    Attributes:
        url: of the repository.
        commit: of the one commit that holds everything.
        files: their names in the repository, sorted.
        bytes: their size in all.
    """

    url: str
    commit: str
    files: tuple[str, ...]
    bytes: int


@dataclass(frozen=True)
class PullRequest:
    """A bundle from the Hub.

    Attributes:
        repository: "hf://user/name".
        out: folder for the bundle.
        revision: branch, tag, or commit; only a commit names the same files for ever.
        force: replace an earlier bundle in `out`.
    """

    repository: str
    out: Path
    revision: str = "main"
    force: bool = False


@dataclass(frozen=True)
class PullResult:
    """What was pulled.

    Attributes:
        out: folder of the bundle.
        commit: that it came from; as `revision` it gives the same bundle again.
        files: their names, sorted.
        bytes: their size in all.
    """

    out: Path
    commit: str
    files: tuple[str, ...]
    bytes: int
