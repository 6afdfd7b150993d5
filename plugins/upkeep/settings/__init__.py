"""``config/*.yaml`` as frozen models, one module per section; an error names file, setting, found and expected."""
