-- Optional, for dropping indexes (G53): only a table's owner may, so this grants the owner's rights, all of them: guard the
-- login. Without it indexes are found and proposed, and a drop ends as "not done". Run as a superuser or as the owner.
GRANT {owner} TO {role};
