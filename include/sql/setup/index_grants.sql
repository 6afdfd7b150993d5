-- Optional, for dropping and creating indexes (G53), rebuilding them with no remains (G55-G58) and validating constraints (G60): only a
-- table's owner may, so this grants the owner's rights, all of them: guard the login. Without it all of it is found and
-- proposed, and ends as "not done". Run as a superuser or as the owner.
GRANT {owner} TO {role};
