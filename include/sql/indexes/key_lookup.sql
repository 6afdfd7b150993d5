-- How the server looks for rows that refer to one that is deleted or gets another key (ri_triggers.c), but for the lock.
SELECT 1 FROM ONLY {table} x WHERE {conditions}
