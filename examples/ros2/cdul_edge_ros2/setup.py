"""Installs the node where `ros2 run` and `ros2 launch` look for it."""

from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "cdul_edge_ros2"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        (f"share/{PACKAGE}/launch", [str(path) for path in Path("launch").iterdir()]),
        (f"share/{PACKAGE}/config", [str(path) for path in Path("config").iterdir()]),
    ],
    install_requires=["setuptools"],
    zip_safe=True,
    maintainer="The cdul-edge authors",
    maintainer_email="cdul-edge@example.org",
    description="Multi-label image classification with a cdul-edge bundle, as a lifecycle node.",
    license="Apache-2.0",
    entry_points={"console_scripts": [f"classifier = {PACKAGE}.node:main"]},
)
