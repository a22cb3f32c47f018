"""The sections about time and memory."""

from __future__ import annotations

from benchmarks.tables.markdown import figures, section, table


def draw_costs() -> tuple[str, ...]:
    """All of them, in order."""
    return draw_precisions(), draw_predict(), draw_speed(), draw_footprint()


def draw_precisions() -> str:
    """Latency of the CPU's precisions."""
    rows = [
        (name.replace("_", " at ") + " px", f"{r['torch_fp32_ms']:.1f}",
         f"{r['onnxruntime_fp32_ms']:.1f}", f"{r['onnxruntime_int8_cpu_ms']:.1f}",
         f"{r['int8_cpu_over_fp32']:.2f}x")
        for name, r in figures("precision_latency").items()
    ]  # fmt: skip
    heads = ("network", "PyTorch FP32, ms", "ONNX Runtime FP32, ms", "int8-cpu, ms", "speed-up")
    return section("Precisions on a CPU, batch 1, 2 threads", table(heads, rows))


def draw_predict() -> str:
    """What decoding and resizing add to the network."""
    rows = []
    for name, found in figures("predict_latency").items():
        whole, bare = found["end_to_end"], found["bare_session"]["p50_ms"]
        times = [f"{ms:.1f}" for ms in (whole["p50_ms"], whole["p99_ms"], bare)]
        rows.append((name.replace("_", " "), *times, f"{found['ratio_p50']:.2f}x"))
    heads = ("network", "predict p50, ms", "p99, ms", "bare network p50, ms", "ratio")
    return section("`predict` of a 1280x720 frame", table(heads, rows))


def draw_speed() -> str:
    """Labeling and training against the bare network."""
    patches, again = figures("patch_labelling")["labelling"], figures("relabelling")
    stored = again["again_seconds_median"]["strategy"]
    growth, training = figures("label_memory")["growth"], figures("training")["fp32"]
    rows = [
        (
            "patches of ViT-B/16 against ten views of it",
            f"{patches['patches_over_ten_views']:.1f}x",
        ),
        ("another strategy on 5,717 stored images, whole command", f"{stored:.1f} s"),
        ("labeling 20,000 images against 2,000, peak memory", f"{growth:.2f}x"),
        (
            "training resnet18, against bare forward and backward",
            f"{training['run_over_bare']:.2f}x",
        ),
    ]
    for name, found in figures("labelling").items():
        for other in ("bare_forward", "plain_loop"):
            what = f"labeling with {name}, against CLIP's {other.replace('_', ' ')}"
            rows.append((what, f"{found[f'labelling_over_{other}']:.2f}x"))
    return section("Speed of the stages", table(("what", "figure"), rows))


def draw_footprint() -> str:
    """What a device needs."""
    found, imports = figures("device_footprint"), figures("import_time")["seconds_p50"]
    loaded = [f"{found[f'resnet50_{side}_int8_cpu']['rss_mb']:.0f}" for side in (224, 448)]
    seconds = [f"{imports[name]:.2f}" for name in ("import_cdul_edge_runtime", "cdul_edge_help")]
    memory = figures("calibration_memory")["peak_memory_mib"]
    rows = [
        ('`pip install "cdul-edge[cpu]"`, fresh environment', f"{found['installed_mb']:.0f} MB"),
        ("loaded ResNet-50 int8-cpu at 224 / 448 px", " / ".join(loaded) + " MB"),
        ("`import cdul_edge_runtime` / `cdul-edge --help`", " / ".join(seconds) + " s"),
        ("calibrating ResNet-50 at 448 px on 512 images, peak memory", f"{memory:,} MiB"),
    ]
    return section("Footprint", table(("what", "figure"), rows))
