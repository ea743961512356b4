"""The fusion node: RGB and thermal images in, fused and segmented images out.

    ros2 run difusionseg_ros fusion_node --ros-args -r rgb/image:=/camera/image_raw

A lifecycle node: configure loads the network, activate subscribes, deactivate unsubscribes, cleanup
frees the network. With `autostart` it configures and activates itself. While it is active, the
service ~/enable pauses and resumes the network.
"""

from __future__ import annotations

import dataclasses
import gc
import sys
import threading
from collections.abc import Callable, Collection
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool

from difusionseg_core.backends.glibc_memory import return_freed_memory, share_one_heap
from difusionseg_core.imaging.blur import blurred_classes
from difusionseg_core.predictor import Predictor
from difusionseg_ros.common.clock_watch import ClockWatch
from difusionseg_ros.common.parameter_checks import (
    LenientParameters,
    report_foreign_files,
    report_unknown,
    report_unknown_qos,
)
from difusionseg_ros.common.program import Program, run, spin_until
from difusionseg_ros.fusion.bond import Bond
from difusionseg_ros.fusion.outputs import Outputs
from difusionseg_ros.fusion.parameters import (
    BadParameter,
    Settings,
    checked_change,
    declare_parameters,
    described,
)
from difusionseg_ros.fusion.pipeline import Pipeline

PROGRAM = Program("fusion_node", __doc__, described())
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


def make_predictor(settings: Settings) -> Predictor:
    """Make the predictor for the parameters. Raises ValueError or OSError, in one line."""
    return Predictor.from_pretrained(
        settings.model,
        device=settings.device,
        backend=settings.backend,
        precision=settings.precision,
        steps=settings.steps,
    )


class FusionNode(LenientParameters, LifecycleNode):
    """A lifecycle node around a Pipeline. `node_arguments` are those of rclpy's LifecycleNode.

    `process_parameters` names parameters on the command line that are for other nodes. The node
    sets `fatal_error` if it cannot continue; its executor should then end it. Raises BadParameter
    for an invalid parameter.
    """

    defaults = dataclasses.asdict(Settings())

    def __init__(
        self,
        make_predictor: Callable[[Settings], Predictor] = make_predictor,
        process_parameters: Collection[str] = (),
        **node_arguments: Any,
    ) -> None:
        super().__init__("fusion_node", **node_arguments)
        self._make_predictor = make_predictor
        self._predictor: Predictor | None = None
        self._outputs: Outputs | None = None
        self._pipeline: Pipeline | None = None
        self._bond: Bond | None = None
        self.fatal_error: Exception | None = None
        try:
            self.settings = declare_parameters(self)
        except BadParameter:
            self.destroy_node()
            raise
        report_unknown(self, self.defaults, process_parameters)
        report_foreign_files(self, node_arguments.get("cli_args"))
        self.add_on_set_parameters_callback(self._change_settings)
        ClockWatch(self)
        self.create_service(SetBool, "~/enable", self._enable)

    def start(self) -> bool:
        """Configure and activate; return False, after logging the reason, if that failed."""
        return self.trigger_configure() == SUCCESS and self.trigger_activate() == SUCCESS

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the network and open the outputs."""
        try:
            self._predictor = self._make_predictor(self.settings)
            blurred_classes(self.settings.blur, self._predictor.label_set)
            self._outputs = Outputs(self, self._predictor.label_set, self.settings.palette)
        except Exception as error:
            self._release()
            return self._failed("configure", error)
        self.get_logger().info(
            f"network {self.settings.model} on {self._predictor.device} "
            f"({self._predictor.backend}, {self._predictor.precision})"
        )
        if self.settings.steps < self._predictor.own_steps:
            self.get_logger().warning(
                f"the network was trained for {self._predictor.own_steps} diffusion steps and runs "
                f"with {self.settings.steps}: set the parameter steps"
            )
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the cameras and process their images."""
        assert self._predictor is not None and self._outputs is not None  # configured
        try:
            self._pipeline = Pipeline(
                self, self._predictor, self._outputs, lambda: self.settings, self._give_up
            )
        except Exception as error:
            return self._failed("activate", error)
        report_unknown_qos(self)
        if self.settings.bond:
            try:
                self._bond = Bond(self)
            except ImportError as error:
                self.get_logger().warning(str(error))
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe; the frame being processed is finished first."""
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the network."""
        self._release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and free the network."""
        self.close()
        return super().on_shutdown(state)

    def close(self) -> None:
        """Stop processing and free the network, in any state."""
        self._stop()
        self._release()

    def _stop(self) -> None:
        if self._bond is not None:
            self._bond.close()
            self._bond = None
        if self._pipeline is not None:
            self._pipeline.close()
            self._pipeline = None

    def _release(self) -> None:
        if self._outputs is not None:
            self._outputs.close()
        self._outputs = self._predictor = None
        gc.collect()  # parts of a network refer to each other
        return_freed_memory()

    def _enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        if self._pipeline is None:
            response.message = "the node is not active"
            return response
        self._pipeline.paused = not request.data
        response.success = True
        response.message = "running" if request.data else "paused"
        return response

    def _give_up(self, error: Exception) -> None:
        self.get_logger().fatal(" ".join(f"cannot continue: {error}".split()))
        self.fatal_error = error

    def _failed(self, transition: str, error: Exception) -> TransitionCallbackReturn:
        # rclpy would discard the exception silently.
        self.get_logger().error(" ".join(f"cannot {transition}: {error}".split()))
        return FAILURE

    def _change_settings(self, parameters: list[Parameter]) -> SetParametersResult:
        settings, answer = checked_change(self.settings, parameters)
        if self._predictor is not None:
            try:
                blurred_classes(settings.blur, self._predictor.label_set)
            except ValueError as error:
                return SetParametersResult(successful=False, reason=str(error))
        self.settings = settings
        if self._pipeline is not None:
            self._pipeline.settings_changed(self.settings)
        return answer


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; returns the exit status.

    That is 1 if it could not start or cannot continue.
    """
    return run(PROGRAM, args, lambda stop, _: serve(stop, lambda: [FusionNode()]))


def serve(stop: threading.Event, make_nodes: Callable[[], list[FusionNode]]) -> int:
    """Run fusion nodes until `stop`, or until one cannot continue; returns the exit status."""
    share_one_heap()
    nodes = make_nodes()
    try:
        if not all(node.start() for node in nodes if node.settings.autostart):
            return 1
        spin_until(lambda: stop.is_set() or any(node.fatal_error for node in nodes), *nodes)
    finally:
        for node in nodes:
            node.close()
            node.destroy_node()
    return 1 if any(node.fatal_error for node in nodes) else 0


if __name__ == "__main__":
    sys.exit(main())
