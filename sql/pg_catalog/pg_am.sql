-- Access methods: there is one way to keep a table.
SELECT 2::oid AS oid, 'hats'::name AS amname, '-'::regproc AS amhandler, 't'::"char" AS amtype
