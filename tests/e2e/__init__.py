"""The commands as processes, against a sandboxed Google over HTTP, with faults."""

import pytest

pytest.register_assert_rewrite("tests.e2e.lockstep", "tests.e2e.people")
