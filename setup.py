"""The hot modules, for setuptools. `python setup.py build_ext --inplace` builds those that changed."""

import sys
from pathlib import Path

from setuptools import setup

sys.path.insert(0, str(Path(__file__).resolve().parent / "build_support"))

import hot

setup(ext_modules=hot.extensions(), cmdclass={"build_ext": hot.BuildHot})
