-- G15: a partition that is in its archive as a whole leaves its log; RESTRICT, so that nothing else goes with it.
DROP TABLE {partition} RESTRICT
