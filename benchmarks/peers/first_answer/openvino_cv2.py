"""OpenCV's LINEAR, OpenVINO on a file of `cdul-edge export`, which normalizes by itself."""

import sys

import cv2
import numpy as np
import openvino

from benchmarks.peers.first_answer.report import report

model, picture, threads, started, precision = sys.argv[1:]
cv2.setNumThreads(int(threads))
hints = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": int(threads)}
network = openvino.Core().compile_model(model, "CPU", hints)
height, width = network.input(0).partial_shape.to_string().strip("[]").split(",")[1:3]
small = cv2.resize(cv2.imread(picture), (int(width), int(height)), interpolation=cv2.INTER_LINEAR)
scores = network(cv2.cvtColor(small, cv2.COLOR_BGR2RGB)[np.newaxis])[0][0]
labels = np.flatnonzero(scores >= 0.5)
report(float(started), len(labels))
