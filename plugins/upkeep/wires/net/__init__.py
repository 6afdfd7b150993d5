"""HTTP and TLS beside the functions: addresses without secrets, pages and files of other people."""
