-- Which server this is: targets.<name>.system_identifier pins it. Everybody may ask; a restored copy has the same one.
SELECT system_identifier::text AS id
FROM pg_control_system()
