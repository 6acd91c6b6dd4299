-- Views, by name.
SELECT r.schema AS schemaname, r.name AS viewname, u.name AS viewowner, r.definition
FROM source.relations r CROSS JOIN source.users u
WHERE r.kind = 'v'
