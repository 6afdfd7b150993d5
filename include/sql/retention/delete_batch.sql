-- G15: rows that an archive holds leave their log: by key, and only while their content is what the archive has and they are
-- due under no hold; a condition that is repeated on a row that was changed meanwhile. One that is not so is left.
WITH archived AS (
    SELECT * FROM unnest({values}) AS a ({names}, row_md5)
), deleted AS (
    DELETE FROM {table} t USING archived a
    WHERE {same_key} AND md5({digest}) = a.row_md5 AND {due}
    RETURNING 1
)
SELECT d.deleted,
       CASE WHEN d.deleted = {rows} THEN d.deleted
            ELSE (SELECT count(*) FROM archived a JOIN {table} t ON {same_key}) END AS present
FROM (SELECT count(*) AS deleted FROM deleted) d
