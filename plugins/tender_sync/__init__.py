"""Keeps MongoDB equal to the UK's public procurement notices; start reading at `engine.py`."""
