"""A ROS subscription as the source of a chain of filters."""

from message_filters.simple_filter import SimpleFilter


class Subscriber(SimpleFilter):
    """Emits every message received on a topic.

    Args:
        node: the rclpy node that owns the subscription.
        msg_type: the message class, such as `sensor_msgs.msg.Image`.
        topic: the topic's name, before remapping.
        qos_profile: a `QoSProfile`, or a queue depth.
        **kwargs: anything else `Node.create_subscription` takes: `callback_group`,
            `event_callbacks`, `qos_overriding_options`, `raw`, ...

    What this class lacks is looked up in the rclpy subscription, which is `self.sub`.
    """

    def __init__(self, node, msg_type, topic, qos_profile=10, **kwargs):
        super().__init__()
        self.node = node
        self.topic = topic
        self.sub = node.create_subscription(
            msg_type, topic, self.callback, qos_profile=qos_profile, **kwargs
        )

    def callback(self, msg) -> None:
        """Pass a message on."""
        self.signalMessage(msg)

    def getTopic(self) -> str:
        """Return the topic's name as it was given."""
        return self.topic

    def __getattr__(self, key):
        if key == "sub":  # the subscription could not be made: do not look for it in itself
            raise AttributeError(key)
        return getattr(self.sub, key)
