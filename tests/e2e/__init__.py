"""The commands as processes, against a sandboxed Google and a real CalDAV server over HTTP."""

import pytest

pytest.register_assert_rewrite("tests.e2e.dav", "tests.e2e.lockstep", "tests.e2e.people")
