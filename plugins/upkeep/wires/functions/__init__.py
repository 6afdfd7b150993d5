"""The monitoring functions: what is asked and answered (``contract``, pure) and how it travels."""
