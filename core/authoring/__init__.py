"""Tools for plugin authors: scaffold a project, draft a schema, check a plugin."""
