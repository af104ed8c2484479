"""The build backend: setuptools, with Cython as a requirement only where the hot modules can be compiled."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hot
from setuptools import build_meta
from setuptools.build_meta import build_sdist as build_sdist
from setuptools.build_meta import get_requires_for_build_sdist as get_requires_for_build_sdist
from setuptools.build_meta import prepare_metadata_for_build_editable as prepare_metadata_for_build_editable
from setuptools.build_meta import prepare_metadata_for_build_wheel as prepare_metadata_for_build_wheel

CYTHON = "Cython>=3.1"


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    """As in PEP 517."""
    return [*build_meta.get_requires_for_build_wheel(config_settings), *_cython()]


def get_requires_for_build_editable(config_settings: Any = None) -> list[str]:
    """As in PEP 660."""
    return [*build_meta.get_requires_for_build_editable(config_settings), *_cython()]


def build_wheel(directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> Any:
    """As in PEP 517. Nothing of an earlier build gets into the wheel."""
    with _fresh_build_directory():
        return build_meta.build_wheel(directory, config_settings, metadata_directory)


def build_editable(directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> Any:
    """As in PEP 660. What is beside the sources from an earlier build goes, if it will not be built now."""
    if not hot.can_compile():
        hot.remove_built(keep=[])
    return build_meta.build_editable(directory, config_settings, metadata_directory)


def _cython() -> list[str]:
    return [CYTHON] if hot.can_compile() else []


@contextlib.contextmanager
def _fresh_build_directory() -> Iterator[None]:
    """Let setuptools gather its files in an empty directory: a wheel gets all that is there, old modules, too."""
    if "DIST_EXTRA_CONFIG" in os.environ:  # whoever builds has settings, and a directory, of his own
        yield
        return
    with tempfile.TemporaryDirectory() as directory:
        settings = Path(directory, "build.cfg")
        settings.write_text(f"[build]\nbuild_base = {Path(directory, 'build')}\n")
        os.environ["DIST_EXTRA_CONFIG"] = str(settings)
        try:
            yield
        finally:
            del os.environ["DIST_EXTRA_CONFIG"]
