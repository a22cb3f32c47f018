"""OpenCV's LINEAR, normalization in NumPy, ONNX Runtime on a plain export in FP32."""

import sys

import cv2
import numpy as np
import onnxruntime

from benchmarks.peers.first_answer.report import report

model, picture, threads, started = sys.argv[1:]
cv2.setNumThreads(int(threads))
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(threads)
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
size = session.get_inputs()[0].shape[2:]
small = cv2.resize(cv2.imread(picture), size, interpolation=cv2.INTER_LINEAR)
pixels = cv2.cvtColor(small, cv2.COLOR_BGR2RGB).astype(np.float32) / 255
mean = np.array([0.485, 0.456, 0.406], np.float32)
std = np.array([0.229, 0.224, 0.225], np.float32)
images = ((pixels - mean) / std).transpose(2, 0, 1)[np.newaxis]
logits = session.run(None, {"images": images})[0][0]
labels = np.flatnonzero(1 / (1 + np.exp(-logits)) >= 0.5)
report(float(started), len(labels))
