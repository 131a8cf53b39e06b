"""Find and run the code of plugins, whose faults and values disturb nothing else.

- `installed`: what is installed, without importing it.
- `calls`: run a hook within limits; whatever it raises becomes one error that names it.
- `other_process`: run it in another process, for code that no limit of its own process ends.
- `values`: check what a hook returns, and copy it to plain types.
"""
