"""A local stand-in for the Find a Tender and Contracts Finder OCDS APIs, for tests and demonstrations."""

from . import fault_answers, fault_bodies, fault_paging  # noqa: F401 - each registers its faults
from .answer import Answer
from .api import OcdsApi
from .catalogue import CONTRACTS_FINDER, FIND_A_TENDER, SOURCES, Catalogue, Publication
from .clock import ServerClock
from .faults import REGISTRY
from .generate import generate
from .load import load
from .server import OcdsServer

__all__ = [
    "CONTRACTS_FINDER",
    "FIND_A_TENDER",
    "REGISTRY",
    "SOURCES",
    "Answer",
    "Catalogue",
    "OcdsApi",
    "OcdsServer",
    "Publication",
    "ServerClock",
    "generate",
    "load",
]
