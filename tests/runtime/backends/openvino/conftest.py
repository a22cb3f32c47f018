"""Collected only in a process of its own; see tests/fakes/alone.py."""

from __future__ import annotations

from tests.fakes.alone import IS_ALONE

collect_ignore_glob = [] if IS_ALONE else ["test_*.py"]
