-- G15: whether a text is the name of a type and nothing else: what an archive says of its columns is not run as SQL.
SELECT to_regtype(%(type)s) IS NOT NULL AS known
