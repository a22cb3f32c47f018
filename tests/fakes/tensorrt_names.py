"""Which TensorRT names the project's sources use, found without running or importing them.

Every TensorRT object comes from a parameter annotated with a protocol of api.py, or from
a call on one: so following annotations, results and assignments finds each use of each name. A
test holds the names found equal to the names declared, which shows that nothing was overlooked.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
API = ROOT / "runtime/cdul_edge_runtime/backends/trt/api.py"
MODULE = ROOT / "runtime/cdul_edge_runtime/backends/trt/library.py"
MEASURED = ROOT / "benchmarks/nvidia_compiler.py"  # of TensorRT for RTX alone, which tests run
MODULES = {"LeanTensorRT", "TensorRT", "RtxTensorRT"}
RTX = "Rtx"  # begins the protocols of what only TensorRT for RTX has
Members = dict[str, ast.expr | None]
Kind = Any  # a class's name, a tuple of kinds, or None for what is not TensorRT's


def declared() -> dict[str, Members]:
    """Class to members to the annotation of what a member is, or of what it returns."""
    found: dict[str, Members] = {}
    for path in (API, MODULE):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and node.name != "Messages":
                bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
                inherited = {k: v for base in bases for k, v in found.get(base, {}).items()}
                if any(base == "Protocol" for base in bases):
                    found[node.name] = {**inherited, **_members(node)}
    return found


def sources() -> list[Path]:
    """Every file that may hold a TensorRT object."""
    folders = ("cdul_edge", "export", "calibration", "runtime", "benchmarks")
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    wanted = re.compile(r"tensorrt|backends\.trt")
    return [p for p in files if p not in (API, MEASURED) and wanted.search(p.read_text())]


def _members(node: ast.ClassDef) -> Members:
    found: Members = {}
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            found[item.target.id] = item.annotation
        elif isinstance(item, ast.FunctionDef):
            found[item.name] = item.returns
    return {name: kind for name, kind in found.items() if not name.startswith("__")}


@dataclass
class Uses:
    """Every `Class.member` used, and what cannot be followed.

    Attributes:
        plain: names taken directly: they must be in every version.
        guarded: names asked for through `optional`.
        faults: uses that no test could check, such as a name that is computed.
    """

    plain: set[str] = field(default_factory=set)
    guarded: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


def find_uses(*texts: str) -> Uses:
    """Follow the TensorRT objects through these sources."""
    uses, trees = Uses(), [ast.parse(text) for text in texts]
    finder = _Finder(uses)
    for _ in range(2):  # attributes are known after the first round
        uses.faults.clear()
        for tree in trees:
            finder.visit(tree)
    return uses


class _Finder(ast.NodeVisitor):
    def __init__(self, uses: Uses) -> None:
        self.uses, self.classes = uses, declared()
        self.functions: dict[str, Kind] = {}
        self.attributes: dict[str, Kind] = {}
        self.names: dict[str, Kind] = {}

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        if node.name in self.classes:
            return
        for item in node.body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                self.attributes[item.target.id] = self.annotated(item.annotation)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer, self.names = self.names, dict(self.names)
        for argument in (*node.args.args, *node.args.kwonlyargs):
            self.names[argument.arg] = self.annotated(argument.annotation)
            if argument.arg == "trt" and self.names["trt"] is None:
                self.uses.faults.append(f"{node.name}: trt is not annotated")
        self.functions[node.name] = self.annotated(node.returns)
        self.generic_visit(node)
        self.names = outer

    def visit_Import(self, node: ast.Import) -> None:
        if any(name.name.startswith("tensorrt") for name in node.names):
            self.uses.faults.append("TensorRT is imported by import_tensorrt alone")

    def visit_Assign(self, node: ast.Assign) -> None:
        kind = self.kind(node.value)
        for target in node.targets:
            self.bind(target, kind)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        hidden = None if node.value is None else self.kind(node.value)
        shown = self.annotated(node.annotation)
        if isinstance(hidden, str) and shown is None and hidden != "ILogger":  # a base class
            self.uses.faults.append(f"{hidden} is hidden by its annotation")
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.kind(node)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        guards = ("optional", "set_optional")
        if name in ("getattr", "setattr", "hasattr", *guards) and node.args:
            owner = self.kind(node.args[0])
            constant = node.args[1].value if isinstance(node.args[1], ast.Constant) else None
            if owner and name in guards and isinstance(constant, str):
                self.uses.guarded.add(f"{owner}.{constant}")
            elif owner:
                self.uses.faults.append(f"{ast.unparse(node)}: say `optional` and the name")
        self.generic_visit(node)

    def bind(self, target: ast.expr, kind: Kind) -> None:
        if isinstance(target, ast.Name):
            self.names[target.id] = kind
        elif isinstance(target, ast.Attribute) and kind is not None:
            self.attributes[target.attr] = kind
        elif isinstance(target, ast.Tuple) and isinstance(kind, tuple):
            for part, its in zip(target.elts, kind, strict=False):
                self.bind(part, its)

    def annotated(self, annotation: ast.expr | None) -> Kind:
        """The TensorRT class that an annotation names; "X | None" is X."""
        if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "tuple":
            parts = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else []
            return tuple(self.annotated(part) for part in parts)
        named = [] if annotation is None else ast.unparse(annotation).replace("api.", "").split("|")
        kinds = [name.strip() for name in named if name.strip() in self.classes]
        return kinds[0] if kinds else None

    def kind(self, node: ast.expr) -> Kind:
        """What an expression is; notes the member that it takes."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id)
        if isinstance(node, ast.Attribute):
            return self.member(self.kind(node.value), node.attr)
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                return self.functions.get(node.func.id)
            return self.kind(node.func)
        if isinstance(node, ast.BoolOp):
            return next(filter(None, map(self.kind, node.values)), None)
        if isinstance(node, ast.IfExp):
            return self.kind(node.body) or self.kind(node.orelse)
        if isinstance(node, ast.Tuple):
            return tuple(self.kind(part) for part in node.elts)
        return None

    def member(self, owner: Kind, name: str) -> Kind:
        if not isinstance(owner, str):
            return self.attributes.get(name)
        if not name.startswith("__"):
            self.uses.plain.add(f"{owner}.{name}")
        return self.annotated(self.classes[owner].get(name))
