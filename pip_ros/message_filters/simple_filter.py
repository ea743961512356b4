"""The base of every filter: a list of callbacks and a way to call them all."""


class SimpleFilter:
    """Something that emits messages to whoever registered for them.

    `callbacks` maps a connection number to `(callback, extra arguments)`.
    """

    def __init__(self):
        self.callbacks = {}

    def registerCallback(self, cb, *args) -> int:
        """Have `cb(*messages, *args)` called on every output; return the connection's number."""
        connection = len(self.callbacks)
        self.callbacks[connection] = (cb, args)
        return connection

    def signalMessage(self, *msg) -> None:
        """Emit one output, made of one or more messages, to all callbacks in their order."""
        # A copy, because a callback may register another one.
        for cb, args in list(self.callbacks.values()):
            cb(*msg, *args)
