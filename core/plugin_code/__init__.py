"""Find and run the code of plugins, whose faults and values disturb nothing else.

- `installed`: what is installed, without importing it.
- `calls`: run a hook within limits; whatever it raises becomes one error that names it.
- `values`: check what a hook returns, and copy it to plain types.
"""
