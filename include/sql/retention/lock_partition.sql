-- G15: nobody writes into a partition while it is compared with its archive and dropped; who reads goes on.
LOCK TABLE ONLY {partition} IN EXCLUSIVE MODE
