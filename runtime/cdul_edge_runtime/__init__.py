"""The ground floor: what a camera program imports. numpy, Pillow and a backend; no torch."""

import os as _os

# ONNX Runtime 1.32 for Linux gives the machine a number and looks for a server to report to. A
# device tells nobody, unless its owner says so; the variable is read with `import onnxruntime`.
_os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
