"""torchvision's own transform and network, as its documentation has it."""

import sys

import torch
import torchvision
from PIL import Image
from torchvision.transforms import v2

from benchmarks.peers.first_answer.report import report

weights, picture, threads, started, name, side_px = sys.argv[1:]
torch.set_num_threads(int(threads))
state = torch.load(weights)
network = torchvision.models.get_model(name, num_classes=len(state["fc.bias"]))
network.load_state_dict(state)
network.eval()
transform = v2.Compose(
    [
        v2.PILToTensor(),
        v2.Resize((int(side_px), int(side_px))),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)
with torch.inference_mode():
    images = transform(Image.open(picture).convert("RGB")).unsqueeze(0)
    labels = torch.nonzero(network(images)[0].sigmoid() >= 0.5)
report(float(started), len(labels))
