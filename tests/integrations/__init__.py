import pytest

pytest.register_assert_rewrite("tests.integrations.provider_contract")
