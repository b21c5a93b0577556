"""Command-line tools for development, tests and the demo; nothing here is deployed."""
