"""This program, on one device in one precision."""

import sys

from benchmarks.peers.first_answer.report import report
from cdul_edge import Classifier

bundle, picture, threads, started, device, precision = sys.argv[1:]
classifier = Classifier.load(bundle, device=device, precision=precision, threads=int(threads))
labels = classifier.predict(picture).labels
report(float(started), len(labels))
