-- Once, as a superuser: the three roles of the ledger and its database. Give each role a password of its own.
CREATE ROLE {owner} LOGIN;
CREATE ROLE {tasks} LOGIN;
CREATE ROLE {dashboard} LOGIN;
CREATE DATABASE {database} OWNER {owner};
