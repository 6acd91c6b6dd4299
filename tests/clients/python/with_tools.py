"""Questions of tools that are not run here (DBeaver, Metabase, Superset), as they put them: each is answered, with the columns that
PostgreSQL has, and where the rows are of the user's tables with the same rows.
"""

import psycopg
from ask import URL, ask

COMMENTED = "LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = {0}.oid AND d.objsubid = 0 AND d.classoid = '{1}'::regclass"
# Those whose rows speak of the server itself: the names of the columns are compared.
SHAPES = {
    "DBeaver: databases": "SELECT db.oid,db.* FROM pg_catalog.pg_database db WHERE datallowconn AND NOT datistemplate OR db.datname = 'dreyer'",
    "DBeaver: enums": "SELECT * FROM pg_catalog.pg_enum WHERE 1<>1 LIMIT 1",
    "DBeaver: reltype": "SELECT reltype FROM pg_catalog.pg_class WHERE 1<>1 LIMIT 1",
    "DBeaver: types": "SELECT t.oid,t.*,c.relkind,format_type(nullif(t.typbasetype, 0), t.typtypmod) as base_type_name, d.description "
    "FROM pg_catalog.pg_type t LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid=t.typelem "
    "LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid=t.typrelid LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid=d.objoid "
    "WHERE t.typname IS NOT NULL AND (c.relkind IS NULL OR c.relkind = 'c') AND (et.typcategory IS NULL OR et.typcategory <> 'C')",
    "DBeaver: schemas": "SELECT n.oid,n.*,d.description FROM pg_catalog.pg_namespace n " + COMMENTED.format("n", "pg_namespace") + " ORDER BY nspname",
    "DBeaver: tables": "SELECT c.oid,c.*,d.description,pg_catalog.pg_get_expr(c.relpartbound, c.oid) as partition_expr, "
    "pg_catalog.pg_get_partkeydef(c.oid) as partition_key FROM pg_catalog.pg_class c " + COMMENTED.format("c", "pg_class")
    + " WHERE c.relnamespace=2200 AND c.relkind not in ('i','I','c')",
    "DBeaver: columns": "SELECT c.relname,a.*,pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) as def_value,dsc.description,dep.objid "
    "FROM pg_catalog.pg_attribute a INNER JOIN pg_catalog.pg_class c ON (a.attrelid=c.oid) "
    "LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON (a.attrelid=ad.adrelid AND a.attnum = ad.adnum) "
    "LEFT OUTER JOIN pg_catalog.pg_description dsc ON (c.oid=dsc.objoid AND a.attnum = dsc.objsubid) "
    "LEFT OUTER JOIN pg_depend dep on dep.refobjid = a.attrelid AND dep.deptype = 'i' and dep.refobjsubid = a.attnum "
    "and dep.classid = dep.refclassid WHERE NOT a.attisdropped AND c.relkind not in ('i','I','c') AND c.relname='stars' ORDER BY a.attnum",
    "DBeaver: constraints": "SELECT c.oid,c.*,t.relname as tabrelname,rt.relnamespace as refnamespace,d.description "
    "FROM pg_catalog.pg_constraint c INNER JOIN pg_catalog.pg_class t ON t.oid=c.conrelid "
    "LEFT OUTER JOIN pg_catalog.pg_class rt ON rt.oid = c.confrelid "
    "LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=c.oid AND d.objsubid=0 AND d.classoid='pg_constraint'::regclass "
    "WHERE t.relnamespace=2200 ORDER BY c.oid",
    "DBeaver: indexes": "SELECT i.*,i.indkey as keys,c.relname,c.relnamespace,c.relam,c.reltablespace,tc.relname as tabrelname,"
    "dsc.description,pg_catalog.pg_get_expr(i.indpred, i.indrelid) as pred_expr,"
    "pg_catalog.pg_get_expr(i.indexprs, i.indrelid, true) as expr,pg_catalog.pg_relation_size(i.indexrelid) as index_rel_size,"
    "pg_catalog.pg_stat_get_numscans(i.indexrelid) as index_num_scans FROM pg_catalog.pg_index i "
    "INNER JOIN pg_catalog.pg_class c ON c.oid=i.indexrelid INNER JOIN pg_catalog.pg_class tc ON tc.oid=i.indrelid "
    "LEFT OUTER JOIN pg_catalog.pg_description dsc ON i.indexrelid=dsc.objoid WHERE tc.relnamespace=2200 ORDER BY tabrelname, c.relname",
    "DBeaver: functions": "SELECT p.oid as poid,p.*,pg_catalog.pg_get_expr(p.proargdefaults, 0) as arg_defaults,d.description "
    "FROM pg_catalog.pg_proc p LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=p.oid WHERE p.pronamespace=2200 ORDER BY p.proname",
    "DBeaver: roles": "SELECT a.oid,a.* FROM pg_catalog.pg_roles a ORDER BY a.rolname",
    "DBeaver: languages": "SELECT l.oid,l.* FROM pg_catalog.pg_language l ORDER BY l.oid",
    "DBeaver: collations": "SELECT c.oid,c.* FROM pg_catalog.pg_collation c LEFT OUTER JOIN pg_catalog.pg_namespace n ON n.oid=c.collnamespace ORDER BY c.oid",
    "DBeaver: tablespaces": "SELECT t.oid,t.* FROM pg_catalog.pg_tablespace t ORDER BY t.oid",
    "DBeaver: foreign servers": "SELECT f.oid,f.* FROM pg_catalog.pg_foreign_server f ORDER BY f.oid",
    "DBeaver: extensions": "SELECT e.oid,e.* FROM pg_catalog.pg_extension e ORDER BY e.oid",
    "DBeaver: triggers": "SELECT x.oid,x.*,p.pronamespace as func_schema_id,d.description FROM pg_catalog.pg_trigger x "
    "LEFT OUTER JOIN pg_catalog.pg_proc p ON p.oid=x.tgfoid LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=x.oid "
    "WHERE x.tgrelid=1 AND NOT x.tgisinternal",
    "DBeaver: settings": "SELECT * FROM pg_catalog.pg_settings WHERE name='standard_conforming_strings'",
    "DBeaver: sessions": "SELECT sa.* FROM pg_catalog.pg_stat_activity sa",
    "DBeaver: locks": "SELECT blocked.pid, blocked.mode FROM pg_catalog.pg_locks blocked WHERE NOT blocked.granted",
    "DBeaver: keywords": "select string_agg(word, ',') from pg_catalog.pg_get_keywords() where word <> ALL ('{select,from}'::text[])",
    "DBeaver: sizes": "SELECT c.oid,pg_catalog.pg_total_relation_size(c.oid) as total_rel_size,pg_catalog.pg_relation_size(c.oid) as rel_size "
    "FROM pg_class c WHERE c.relnamespace=2200",
    "Metabase: enums": "SELECT nspname, typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace "
    "WHERE t.oid IN (SELECT DISTINCT enumtypid FROM pg_enum e)",
    "Superset: databases": "SELECT datname FROM pg_database WHERE datistemplate = false",
    "any: operators": "SELECT * FROM pg_operator LIMIT 1",
    "any: functions": "SELECT * FROM pg_proc LIMIT 1",
    "any: views": "SELECT * FROM pg_views LIMIT 1",
    "any: tables": "SELECT * FROM pg_tables LIMIT 1",
    "any: columns": "SELECT * FROM information_schema.columns LIMIT 1",
    "any: tables of the standard": "SELECT * FROM information_schema.tables LIMIT 1",
    "any: views of the standard": "SELECT * FROM information_schema.views LIMIT 1",
    "any: schemas of the standard": "SELECT * FROM information_schema.schemata LIMIT 1",
}
# Those whose rows are of the user's tables.
ROWS = {
    "Metabase: tables": 'SELECT "n"."nspname" AS "schema", "c"."relname" AS "name", CASE "c"."relkind" WHEN \'r\' THEN \'TABLE\' '
    "WHEN 'p' THEN 'PARTITIONED TABLE' WHEN 'v' THEN 'VIEW' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE NULL END "
    'AS "type", "d"."description" AS "description" FROM "pg_catalog"."pg_class" AS "c" INNER JOIN "pg_catalog"."pg_namespace" AS "n" '
    'ON "c"."relnamespace" = "n"."oid" LEFT JOIN "pg_catalog"."pg_description" AS "d" ON ("c"."oid" = "d"."objoid") '
    'AND ("d"."objsubid" = 0) AND ("d"."classoid" = CAST(\'pg_class\' AS REGCLASS)) '
    'LEFT JOIN "pg_stat_user_tables" AS "stat" ON ("n"."nspname" = "stat"."schemaname") AND ("c"."relname" = "stat"."relname") '
    "WHERE (\"n\".\"nspname\" !~ '^pg_') AND (\"n\".\"nspname\" <> 'information_schema') AND c.relkind in ('r', 'p', 'v', 'f', 'm') "
    'ORDER BY "type" ASC, "schema" ASC, "name" ASC',
    "Metabase: columns": "SELECT \"c\".\"column_name\" AS \"name\", CASE WHEN \"c\".\"udt_schema\" IN ('public', 'pg_catalog') "
    "THEN FORMAT('%s', \"c\".\"udt_name\") ELSE FORMAT('\"%s\".\"%s\"', \"c\".\"udt_schema\", \"c\".\"udt_name\") END AS \"database-type\", "
    '"c"."ordinal_position" - 1 AS "database-position", "c"."table_schema" AS "table-schema", "c"."table_name" AS "table-name", '
    'NOT FALSE AS "x", ("c"."column_default" IS NULL) AND (LOWER("c"."is_nullable") = \'no\') AS "database-required", '
    "COL_DESCRIPTION(CAST(CAST(FORMAT('%I.%I', CAST(\"c\".\"table_schema\" AS TEXT), CAST(\"c\".\"table_name\" AS TEXT)) AS REGCLASS) AS OID), "
    '"c"."ordinal_position") AS "field-comment" FROM "information_schema"."columns" AS "c" '
    "WHERE c.table_schema !~ '^information_schema|catalog_history|pg_' AND \"c\".\"table_schema\" IN ('public', 'survey') "
    'ORDER BY "table-schema" ASC, "table-name" ASC, "database-position" ASC',
    "Metabase: privileges": "with table_privileges as (select NULL as role, t.schemaname as schema, t.objectname as table, "
    "pg_catalog.has_any_column_privilege(current_user, '\"' || replace(t.schemaname, '\"', '\"\"') || '\".\"' || "
    "replace(t.objectname, '\"', '\"\"') || '\"', 'select') as \"select\" from (select schemaname, tablename as objectname "
    "from pg_catalog.pg_tables union select schemaname, viewname as objectname from pg_catalog.pg_views union "
    "select schemaname, matviewname as objectname from pg_catalog.pg_matviews) t where t.schemaname !~ '^pg_' "
    "and t.schemaname <> 'information_schema' and pg_catalog.has_schema_privilege(current_user, t.schemaname, 'USAGE')) "
    'select t.* from table_privileges t where t."select" order by 2, 3',
    "Metabase: time zone": "show timezone",
    "Superset: week": "SELECT DATE_TRUNC('week', moment) AS w, count(*) FROM stars WHERE moment >= "
    "TO_TIMESTAMP('2024-01-02 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US') GROUP BY DATE_TRUNC('week', moment) ORDER BY 1 LIMIT 5",
    "Superset: quarter": "SELECT DATE_TRUNC('quarter', seen) AS \"seen\", AVG(ra) > 0 AS a FROM stars GROUP BY DATE_TRUNC('quarter', seen) ORDER BY 1",
    "Superset: epoch": "SELECT (timestamp 'epoch' + id * interval '1 second') AS t FROM stars ORDER BY id LIMIT 3",
    "Tableau: probe": "SELECT 1 AS \"one\" FROM stars HAVING count(1) > 0",
    "sqlsmith: types": "select quote_ident(typname), oid, typdelim, typrelid, typelem, typarray, typtype from pg_type "
    "where typname in ('int4', 'float8', '_text') order by 2",
}

connection = psycopg.connect(f"postgresql://{URL}", autocommit=True)
for name, sql in SHAPES.items():
    ask(name, lambda: [column.name for column in connection.execute(sql).description])
for name, sql in ROWS.items():
    ask(name, lambda: connection.execute(sql).fetchall())
