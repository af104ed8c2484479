"""The build backend: setuptools, with Cython as a requirement only where the hot modules can be compiled."""

from __future__ import annotations

from typing import Any

import hot
from setuptools import build_meta
from setuptools.build_meta import build_sdist as build_sdist
from setuptools.build_meta import build_wheel as build_wheel
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


def build_editable(directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> Any:
    """As in PEP 660. What is beside the sources from an earlier build goes, if it will not be built now."""
    if not hot.can_compile():
        hot.remove_built(keep=[])
    return build_meta.build_editable(directory, config_settings, metadata_directory)


def _cython() -> list[str]:
    return [CYTHON] if hot.can_compile() else []
