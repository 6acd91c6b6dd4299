-- What SET sets, with the values of this session.
SELECT name,
       setting,
       NULL::text AS unit,
       'Settings'::text AS category,
       description AS short_desc,
       NULL::text AS extra_desc,
       'user'::text AS context,
       'string'::text AS vartype,
       'session'::text AS source,
       NULL::text AS min_val,
       NULL::text AS max_val,
       NULL::text[] AS enumvals,
       setting AS boot_val,
       setting AS reset_val,
       NULL::text AS sourcefile,
       NULL::int4 AS sourceline,
       false AS pending_restart
FROM source.settings
