-- G15: a partition that is in its archive as a whole leaves its log. RESTRICT ends it where others depend on it. What the
-- partition owns (a sequence) goes with it all the same, and an own key's other table is locked: of such none is dropped.
DROP TABLE {partition} RESTRICT
