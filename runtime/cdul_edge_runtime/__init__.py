"""The ground floor: what a camera program imports. numpy, Pillow and a backend; no torch."""
