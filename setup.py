"""Everything but the list of packages is in setup.cfg."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["idprotect", "idprotect.*"]), "idprotect.templates"])
