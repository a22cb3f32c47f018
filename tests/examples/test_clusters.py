"""The examples for clusters, as far as they can be held to something without one."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from cdul_edge.cli import app

EXAMPLES = Path(__file__).parents[2] / "examples"
MANIFEST = EXAMPLES / "kubernetes" / "label.yaml"
SBATCH = EXAMPLES / "slurm" / "label.sbatch"
POD = {"type": "object", "required": ["spec"], "properties": {"spec": {"type": "object"}}}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}


def closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    """An object of these fields and no other: a misspelt one would be dropped without a word."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


COUNT = {"type": "integer", "minimum": 0}
# Fields of ray.io/v1 that a job of ours may have, as KubeRay's types have them that its custom
# resources are generated from: RayJob at commit f6ef3f7, RayCluster at 3275ee0 of
# ray-project/kuberay. What was required in any of its releases is required.
CLUSTER = closed(
    {
        "rayVersion": {"type": "string"},
        "enableInTreeAutoscaling": {"type": "boolean"},
        "headGroupSpec": closed(
            {"rayStartParams": TEXTS, "template": POD}, "rayStartParams", "template"
        ),
        "workerGroupSpecs": {
            "type": "array",
            "items": closed(
                {
                    "groupName": {"type": "string"},
                    "replicas": COUNT,
                    "minReplicas": COUNT,
                    "maxReplicas": COUNT,
                    "rayStartParams": TEXTS,
                    "template": POD,
                },
                *("groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"),
            ),
        },
    },
    "headGroupSpec",
)
RAY_JOB = closed(
    {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": "RayJob"},
        "metadata": closed({"name": {"type": "string", "pattern": "^[a-z0-9-]{1,47}$"}}, "name"),
        "spec": closed(
            {
                "entrypoint": {"type": "string"},
                "backoffLimit": COUNT,
                "shutdownAfterJobFinishes": {"type": "boolean"},
                "ttlSecondsAfterFinished": COUNT,
                "rayClusterSpec": CLUSTER,
            },
            *("entrypoint", "rayClusterSpec"),
        ),
    },
    *("apiVersion", "kind", "metadata", "spec"),
)


def ray_job() -> Any:
    return yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))


def check_command(words: list[str]) -> None:
    assert words[:2] == ["cdul-edge", "label"]
    parameters = get_command(app).commands["label"].params  # type: ignore[attr-defined]
    known = {name for parameter in parameters for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known
    assert {"--engine", "--address", "--out", "--classes", "--clip"} <= set(words)


def test_the_kubernetes_job_fits_its_schema() -> None:
    schema = pytest.importorskip("jsonschema")
    schema.validate(ray_job(), RAY_JOB)
    wrong = ray_job()
    wrong["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["replica"] = 2
    with pytest.raises(schema.ValidationError, match="'replica' was unexpected"):
        schema.validate(wrong, RAY_JOB)


def test_its_pods_are_pods_of_kubernetes() -> None:
    validate = pytest.importorskip("kubernetes_validate")
    cluster = ray_job()["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, **group["template"]}
        validate.validate(pod, "1.30", strict=True)


def test_its_command_is_one_and_every_pod_is_the_same_image() -> None:
    job = ray_job()["spec"]
    check_command(shlex.split(job["entrypoint"]))
    cluster = job["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    containers = [group["template"]["spec"]["containers"][0] for group in groups]
    assert len({container["image"] for container in containers}) == 1
    assert all(container["envFrom"] for container in containers)


def test_the_slurm_job_runs_one_command_on_every_node(tmp_path: Path) -> None:
    for name, script in {
        "scontrol": "echo node7; echo node8",
        "srun": f'printf "%s\\n" "$@" > "{tmp_path}/words"',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    given = {
        "SLURM_JOB_NODELIST": "node[7-8]",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_CPUS_PER_TASK": "16",
        "PICTURES": "s3://pictures/a b",
        "CLASSES": "/shared/classes.txt",
        "LABELS": "/shared/labels",
        "CLIP": "demo",
    }
    path = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["bash", str(SBATCH)], env={**path, **given}, check=True)
    words = (tmp_path / "words").read_text().splitlines()
    assert words[:3] == ["--nodes=2", "--ntasks=2", "--cpus-per-task=16"]
    assert words[3:11] == [
        *("ray", "symmetric-run", "--address", "node7:6379", "--min-nodes", "2"),
        *("--num-cpus=16", "--"),
    ]
    check_command(words[11:])
    assert "s3://pictures/a b" in words
    del given["CLIP"]
    missing = subprocess.run(
        ["bash", str(SBATCH)], env={**path, **given}, capture_output=True, text=True, check=False
    )
    assert missing.returncode != 0
    assert "CLIP: a CLIP" in missing.stderr


@pytest.mark.slow
def test_symmetric_run_has_the_options_that_are_given() -> None:
    pytest.importorskip("ray")
    said = subprocess.run(
        [sys.executable, "-m", "ray.scripts.scripts", "symmetric-run", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert {"--address", "--min-nodes"} <= set(re.findall(r"--[a-z-]+", said))
