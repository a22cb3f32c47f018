"""Check a release as a stranger would get it: `make release-check EXTRAS="none cpu"`.

Builds sdist and wheel, installs the wheel with each extra in a fresh environment (and the sdist
once), and checks there that it does what that extra is for. Also checked: metadata and README
(twine), licenses of everything installed, and that no archive, bundle or SBOM names this machine.
Everything is left in --work: dist/, licenses-EXTRA.json, sbom-EXTRA.json, env-EXTRA/.
"""

from __future__ import annotations

import argparse
import getpass
import json
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SMOKE = ROOT / "scripts" / "release_smoke.py"
# `train` goes first: the others are tried on the bundle that it makes.
# `trt` was never tried where this was written: its libraries come from pypi.nvidia.com.
EXTRAS = ("train", "none", "cpu", "openvino", "calibrate", "gpu", "rtx", "trt")

# SPDX names first, then what older packages call the same; what is not here needs a decision.
ALLOWED = {
    *("MIT", "MIT-0", "MIT-CMU", "HPND", "ISC", "Zlib", "BSL-1.0", "CC0-1.0", "Unlicense"),
    *("0BSD", "BSD-2-Clause", "BSD-3-Clause", "PSF-2.0", "Python-2.0", "CNRI-Python", "MPL-2.0"),
    *("Apache-2.0", "Apache-2.0 WITH LLVM-exception"),
    *("MIT License", "BSD", "BSD License", "3-Clause BSD License", "ISC License (ISCL)"),
    *("Apache Software License", "Apache License 2.0", "Python Software Foundation License"),
    *("Mozilla Public License 2.0 (MPL 2.0)", "The Unlicense (Unlicense)"),
}
# NVIDIA's libraries have NVIDIA's licenses: who wants them installs them with an extra and may use
# them by those terms. They are not part of what we ship, and each check names them.
PROPRIETARY = re.compile(r"(nvidia|cuda|tensorrt)[-_]?.*", re.IGNORECASE)
# Folders in which machines keep users' and builders' files.
MACHINE = re.compile(rb"(?:/home/|/Users/|/root/|[A-Z]:\\Users\\)[\w.-]+")


class ReleaseError(Exception):
    """A release that must not be published, in one line."""


@dataclass(frozen=True)
class Environment:
    """A fresh virtual environment."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @classmethod
    def create(cls, folder: Path) -> Environment:
        """Make it anew, with pip and nothing else."""
        venv.create(folder, clear=True, with_pip=True)
        return cls(folder)

    def install(self, requirement: str) -> None:
        """Install one requirement, and check that all requirements of all packages are met."""
        run(self.python, "-m", "pip", "install", "--quiet", requirement)
        run(self.python, "-m", "pip", "check")

    def remove(self) -> None:
        """Give the disk space back."""
        shutil.rmtree(self.folder)


def main() -> int:
    """Run every check; 0 when the release may be published, 1 with the first fault otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--extras", nargs="+", default=EXTRAS, choices=EXTRAS)
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "release")
    parser.add_argument("--keep", action="store_true", help="Keep the environments.")
    options = parser.parse_args()
    work: Path = options.work.resolve()
    try:
        wheel, sdist = build(work / "dist")
        check_archives(wheel, sdist)
        bundle = work / "bundle"
        if "train" not in options.extras:
            say("bundle", "made with this interpreter, for the other extras")
            make_bundle(Path(sys.executable), bundle)
        for extra in sorted(options.extras, key=EXTRAS.index):
            check_extra(extra, wheel, work, keep=options.keep)
        check_bytes(files_of(bundle), machine_names())
        say("bundle", "names no folder of this machine")
        check_sdist(sdist, bundle, work, keep=options.keep)
    except ReleaseError as fault:
        print(f"release-check: {fault}", file=sys.stderr)
        return 1
    say("done", f"{wheel.name} and {sdist.name} may be published")
    return 0


def build(dist: Path) -> tuple[Path, Path]:
    """Build the wheel and the sdist into an empty folder."""
    shutil.rmtree(dist, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", dist, ROOT)
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    say("build", f"{wheel.name} {wheel.stat().st_size:,} bytes, {sdist.name}")
    return wheel, sdist


def check_archives(wheel: Path, sdist: Path) -> None:
    """Check metadata, README and contents of what will be uploaded."""
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
    with zipfile.ZipFile(wheel) as archive:
        check_bytes(((n, archive.read(n)) for n in archive.namelist()), machine_names(), MACHINE)
    with tarfile.open(sdist) as archive:
        members = [m for m in archive.getmembers() if m.isfile()]
        owners = {m.uname for m in members} - {"", "root"}
        if owners:
            raise ReleaseError(f"{sdist.name} names the user {owners.pop()} as owner of its files")
        opened = ((m.name, archive.extractfile(m)) for m in members)
        check_bytes(((name, f.read()) for name, f in opened if f), machine_names())
    say("archives", "metadata and README are valid, nothing names this machine")


def check_extra(extra: str, wheel: Path, work: Path, *, keep: bool) -> None:
    """Install the wheel with one extra in a fresh environment and use it."""
    env = Environment.create(work / f"env-{extra}")
    env.install(str(wheel) if extra == "none" else f"cdul-edge[{extra}] @ {wheel.as_uri()}")
    if extra == "train":
        make_bundle(env.python, work / "bundle")
    else:
        smoke(env.python, extra, work / "bundle")
    licenses = check_licenses(env, work / f"licenses-{extra}.json")
    write_sbom(env, work / f"sbom-{extra}.json")
    size = sum(
        p.stat().st_size for p in env.folder.rglob("*") if p.is_file() and not p.is_symlink()
    )
    say(extra, f"works; {licenses}, {size / 2**20:,.0f} MiB")
    if not keep:
        env.remove()


def check_sdist(sdist: Path, bundle: Path, work: Path, *, keep: bool) -> None:
    """A wheel built from the sdist alone must work too."""
    env = Environment.create(work / "env-sdist")
    env.install(str(sdist))
    smoke(env.python, "none", bundle)
    say("sdist", "builds and works")
    if not keep:
        env.remove()


def make_bundle(python: Path, bundle: Path) -> None:
    """Label, train and export a tiny drawn world, which is what the `train` extra is for."""
    shutil.rmtree(bundle, ignore_errors=True)
    smoke(python, "train", bundle)


def smoke(python: Path, extra: str, bundle: Path) -> None:
    """Do what an extra is for, far from the checkout, so that only what is installed counts."""
    place = bundle.parent / f"smoke-{extra}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    run(python, "-I", SMOKE, extra, bundle, cwd=place)


def check_licenses(env: Environment, report: Path) -> str:
    """Hold every installed package to the allow list; returns what is there, in words."""
    listed = run(
        *(sys.executable, "-m", "piplicenses", "--python", env.python, "--from=mixed"),
        *("--format=json", "--ignore-packages", "cdul-edge"),
    )
    report.write_text(listed, encoding="utf-8")
    packages = json.loads(listed)
    refused = [f"{p['Name']} ({p['License']})" for p in packages if not is_allowed(p)]
    if refused:
        raise ReleaseError(f"licenses that nobody has allowed: {', '.join(refused)}")
    return summarize_licenses(packages)


def summarize_licenses(packages: list[dict[str, str]]) -> str:
    """How many packages there are, and which of them have NVIDIA's license and no open one."""
    names = sorted(p["Name"] for p in packages if PROPRIETARY.fullmatch(p["Name"]))
    closed = f", and under NVIDIA's licenses: {', '.join(names)}" if names else ""
    return f"{len(packages) - len(names)} packages with allowed licenses{closed}"


def is_allowed(package: dict[str, str]) -> bool:
    """Whether one choice among a package's licenses, and all that it joins by AND, are allowed."""
    if PROPRIETARY.fullmatch(package["Name"]):
        return True
    choices = package["License"].split(" OR ")
    return any(set(re.split(r"; | AND ", choice)) <= ALLOWED for choice in choices)


def write_sbom(env: Environment, path: Path) -> None:
    """Write a CycloneDX list of everything installed, without this machine's folders."""
    text = run(
        *(sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"),
        *("--pyproject", ROOT / "pyproject.toml", env.python),
    )
    sbom = json.loads(text)
    for component in sbom["components"]:
        component.pop("externalReferences", None)  # holds the wheel's place on this disk
    path.write_text(json.dumps(sbom, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    check_bytes([(path.name, path.read_bytes())], machine_names())


def machine_names() -> tuple[bytes, ...]:
    """What would betray this machine: the checkout, the home folder, the user's name."""
    user = getpass.getuser()
    names = [str(ROOT), str(Path.home())] if Path.home() != Path("/root") else [str(ROOT)]
    common = {"root", "user", "runner", "build", "builder", "admin", "ubuntu"}
    return tuple(name.encode() for name in [*names, *({user} - common)])


def check_bytes(
    files: Iterable[tuple[str, bytes]],
    names: tuple[bytes, ...],
    pattern: re.Pattern[bytes] | None = None,
) -> None:
    """Refuse a file that holds one of the names as a whole word, or matches the pattern."""
    words = re.compile(rb"(?<![\w-])(?:" + b"|".join(map(re.escape, names)) + rb")(?![\w-])")
    for name, content in files:
        found = words.search(content) or (pattern and pattern.search(content))
        if found:
            raise ReleaseError(f"{name} names this machine: {found[0].decode(errors='replace')}")


def files_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder, by its path in it."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        yield path.relative_to(folder).as_posix(), path.read_bytes()


def run(*words: object, cwd: Path = ROOT) -> str:
    """Run a command and return its stdout.

    Raises:
        ReleaseError: it fails; its last lines are shown.
    """
    done = subprocess.run([str(w) for w in words], cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout[-3000:], done.stderr[-3000:], sep="\n", file=sys.stderr)
        raise ReleaseError(f"`{' '.join(map(str, words[1:]))}` exits with {done.returncode}")
    return done.stdout


def say(step: str, what: str) -> None:
    """One line for each step that holds."""
    print(f"{step:>10}: {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
