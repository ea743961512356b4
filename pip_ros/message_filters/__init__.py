"""Stand-in for the ROS package `message_filters`, for machines with only PyPI's ROS wheels."""

__all__ = ["SimpleFilter", "Subscriber"]


class SimpleFilter:
    """The base of every filter: emits messages to the registered callbacks.

    `callbacks` maps a connection number to `(callback, extra arguments)`.
    """

    def __init__(self):
        self.callbacks = {}

    def registerCallback(self, cb, *args) -> int:
        """Have `cb(*messages, *args)` called on every output; return the connection number."""
        connection = len(self.callbacks)
        self.callbacks[connection] = (cb, args)
        return connection

    def signalMessage(self, *msg) -> None:
        """Emit one output, of one or more messages, to all callbacks in order."""
        # A copy, because a callback may register another one.
        for cb, args in list(self.callbacks.values()):
            cb(*msg, *args)


class Subscriber(SimpleFilter):
    """Emits every message received on a topic; `sub` is the rclpy subscription.

    The arguments are those of `Node.create_subscription`, without the callback.
    """

    def __init__(self, node, msg_type, topic, qos_profile=10, **kwargs):
        super().__init__()
        self.sub = node.create_subscription(
            msg_type, topic, self.signalMessage, qos_profile=qos_profile, **kwargs
        )
