"""Ultralytics' `predict` on a checkpoint of its own."""

import sys

import torch
from ultralytics import YOLO

from benchmarks.peers.first_answer.report import report

weights, picture, threads, started, side_px = sys.argv[1:]
torch.set_num_threads(int(threads))
model = YOLO(weights)
found = model.predict(picture, imgsz=int(side_px), device="cpu", verbose=False)[0]
report(float(started), len(found.probs.top5))
