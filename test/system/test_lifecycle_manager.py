"""The node under a lifecycle manager like that of nav2, with and without a bond.

nav2's manager is written in C++. This one calls the same services in the same order with the same
time-outs, and its end of the bond is ROS's own bondpy.
"""

import signal
import time

import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.duration import Duration

pytestmark = pytest.mark.slow

SERVICE_TIMEOUT = 5.0  # service_timeout
BOND_TIMEOUT = 4.0  # bond_timeout
STATES = {
    Transition.TRANSITION_CONFIGURE: State.PRIMARY_STATE_INACTIVE,
    Transition.TRANSITION_ACTIVATE: State.PRIMARY_STATE_ACTIVE,
    Transition.TRANSITION_DEACTIVATE: State.PRIMARY_STATE_INACTIVE,
    Transition.TRANSITION_CLEANUP: State.PRIMARY_STATE_UNCONFIGURED,
    Transition.TRANSITION_UNCONFIGURED_SHUTDOWN: State.PRIMARY_STATE_FINALIZED,
}
UP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE
DOWN = Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP


class Manager:
    """Changes the states of one node, and watches it by a bond if `bond` is given."""

    def __init__(self, peer, name):
        self._peer = peer
        self._change = peer.node.create_client(ChangeState, f"{name}/change_state")
        self._get = peer.node.create_client(GetState, f"{name}/get_state")

    def _call(self, client, request, timeout):
        assert client.wait_for_service(60)
        answer = client.call_async(request)
        self._peer.until(answer.done, timeout)
        return answer.result()

    def change(self, transition):
        request = ChangeState.Request(transition=Transition(id=transition))
        assert self._call(self._change, request, timeout=120).success  # nav2 waits without a limit
        state = self._call(self._get, GetState.Request(), SERVICE_TIMEOUT).current_state
        assert state.id == STATES[transition]


@pytest.fixture
def manager(peer):
    return Manager(peer, "fusion_node")


@pytest.fixture
def bond(peer):
    """`bond()` waits for a bond as nav2 does after it has activated the node."""
    bondpy = pytest.importorskip("bondpy.bondpy", reason="the ROS package bondpy is not installed")
    made = []

    def form():
        made.append(bondpy.Bond(peer.node, "bond", "fusion_node"))
        made[-1].heartbeat_timeout = BOND_TIMEOUT
        made[-1].heartbeat_period = 0.1
        made[-1].start()
        # nav2 waits for half of bond_timeout, for which a busy computer may be too slow.
        peer.until(lambda: made[-1].wait_until_formed(Duration(seconds=0.01)))
        return made[-1]

    yield form
    for each in made:
        each.shutdown()


def status_message():
    from bond.msg import Status

    return Status


def start(start_node, bond):
    return start_node("-p", "autostart:=false", "-p", f"bond:={str(bond).lower()}")


def test_the_node_goes_through_its_states_without_a_bond(start_node, manager):
    start(start_node, bond=False)
    for transition in (*UP, *DOWN, *UP, *DOWN, Transition.TRANSITION_UNCONFIGURED_SHUTDOWN):
        manager.change(transition)


def test_a_bond_lasts_until_the_node_is_deactivated(start_node, manager, peer, bond):
    start(start_node, bond=True)
    for transition in UP:
        manager.change(transition)
    formed = bond()
    until = time.monotonic() + BOND_TIMEOUT + 1
    peer.until(lambda: time.monotonic() > until)
    assert not formed.is_broken()
    for transition in DOWN:
        manager.change(transition)
    peer.until(formed.is_broken)


def test_a_dead_node_breaks_the_bond(start_node, manager, peer, bond):
    process = start(start_node, bond=True)
    for transition in UP:
        manager.change(transition)
    formed = bond()
    beats = []
    peer.node.create_subscription(status_message(), "bond", beats.append, 10)
    peer.until(lambda: len(beats) > 20)  # bondpy counts from the second message
    process.send_signal(signal.SIGKILL)
    process.wait()
    peer.until(formed.is_broken)


def test_a_missing_package_is_a_warning(start_node, manager, peer):
    try:
        import bond.msg  # noqa: F401
    except ImportError:
        process = start(start_node, bond=True)
        for transition in UP:
            manager.change(transition)
        peer.until(lambda: "the ROS package bond is not installed" in process.log.read_text())
    else:
        pytest.skip("the ROS package bond is installed")
