-- Optional, for the canary of the monthly drill (G102): the plan that makes schema upkeep_canary, once people have approved it,
-- runs as this role, which must be allowed to make a schema. Take it back afterwards. The login of targets.<t>.canary is made
-- without any right: the plan gives it the one that it needs.
GRANT CREATE ON DATABASE {database} TO {role};
