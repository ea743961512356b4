"""Fixtures that start launch files with ROS's `launch`, alone or in a parent launch file."""

import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import textwrap
import threading
import time

import pytest

PARENT = """
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, GroupAction, OpaqueFunction
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import PushRosNamespace, SetParameter, SetRemap

def included(name, **arguments):
    source = PythonLaunchDescriptionSource({folder!r} + "/" + name + ".launch.py")
    return IncludeLaunchDescription(source, launch_arguments=arguments.items())

def printed(label):
    def show(context):
        print(label, sorted(context.launch_configurations.items()), flush=True)
    return OpaqueFunction(function=show)

driver = ExecuteProcess(cmd=["sleep", "1000"], name="driver")

def generate_launch_description():
    return LaunchDescription([
{entities}
    ])
"""


class Launch:
    """Runs `ros2 launch` in a process; `lines` holds its output so far."""

    def __init__(self, *arguments):
        self._process = subprocess.Popen(
            ["ros2", "launch", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines = []
        self._arriving = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self._process.stdout:
            self._arriving.put(line)
        self._arriving.put(None)

    def wait_for(self, pattern, timeout=90):
        """The match in the first new line that has the pattern."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                line = self._arriving.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"no {pattern!r} in:\n{''.join(self.lines)}")
            if line is None:
                pytest.fail(f"launch ended without {pattern!r}:\n{''.join(self.lines)}")
            self.lines.append(line)
            if match := re.search(pattern, line):
                return match

    def wait_for_start(self, name):
        """The process id of the next node or command of that name that is started."""
        return int(self.wait_for(rf"\[{name}-\d+\]: process started with pid \[(\d+)\]")[1])

    def wait(self, timeout=90):
        """The exit status of the launch, when it ends by itself."""
        status = self._process.wait(timeout)
        while (line := self._arriving.get(timeout=10)) is not None:
            self.lines.append(line)
        return status

    def stop(self):
        """The exit status after a Ctrl-C."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        return self.wait(30)

    def kill(self):
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)


@pytest.fixture(scope="session", autouse=True)
def real_launch():
    pytest.importorskip("launch_ros", reason="ROS's launch is not installed")
    if shutil.which("ros2") is None:
        pytest.skip("there is no ros2 command")


@pytest.fixture
def launch():
    """`launch(file, *arguments)` starts `ros2 launch`, which is stopped at the end."""
    started = []

    def start(*arguments):
        started.append(Launch(*arguments))
        return started[-1]

    yield start
    for each in started:
        try:
            each.stop()
        except (subprocess.TimeoutExpired, queue.Empty):
            each.kill()


@pytest.fixture
def ours(root):
    """`ours(name)` is the path of one of our launch files."""
    return lambda name: root / "launch" / f"{name}.launch.py"


@pytest.fixture
def parent(root, tmp_path):
    """`parent(entities)` is a launch file with a driver, around what `entities` includes."""

    def write(entities):
        path = tmp_path / "parent.launch.py"
        entities = textwrap.indent(textwrap.dedent(entities), 8 * " ")
        path.write_text(PARENT.format(folder=str(root / "launch"), entities=entities))
        return path

    return write


@pytest.fixture
def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
