"""The demo: Lockstep at work against a sandbox, every outcome checked.

`manage.py demo` continues as `python -m config.demo` in an environment that knows nothing of the
installation it was started from. There the stage is set (a folder, a sandbox, an embedded pair of
servers), then the story runs: the product's own commands as processes, and people who edit on the
other side.
"""
