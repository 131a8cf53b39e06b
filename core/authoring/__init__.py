"""Help for authors of plugins: checks of the contract, and the project of a new plugin.

- checks: the list of checks, how they run, what they result in
- checks_module, checks_schema, checks_loader, checks_prompt, checks_metric: the checks of each hook
- registry: the decorator that makes a function a check
- failures: errors of hooks with advice, checks that are skipped
- plugin_under_test: what the checks use of a plugin, each loaded once
- embedded_prompts: the tokenizer of all checks
- clean_process: the same plugin in a process of its own
- metric_answers: right, wrong, empty and missing answers for the metric
- corrupted_files: malformed inputs for the loader
- scaffold: the files of a new plugin's project (``template/``)
- schema_inference: a first schema from records
- model_source: the schema of a pydantic model, and whether its file can be copied
- sample_records: made-up records of a schema
"""
