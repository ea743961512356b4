"""The viewer's page and the HTTP server that sends it."""
