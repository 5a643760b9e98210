"""One model or algorithm that does one task, each. Engines know nothing of Ray, storage, HTTP or jobs.

`contract.py` says what an engine is, `registry.py` which there are, and each folder's `__init__.py` what goes into and
comes out of that task.
"""
