"""What several nodes share: topics, image messages, parameters, logs, middleware, the run loop."""
