"""The viewer's page and its HTTP server. Imports `common` and `fusion`."""
