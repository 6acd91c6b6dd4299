-- Languages of functions.
SELECT 12::oid AS oid,
       'internal'::name AS lanname,
       10::oid AS lanowner,
       false AS lanispl,
       false AS lanpltrusted,
       0::oid AS lanplcallfoid,
       0::oid AS laninline,
       0::oid AS lanvalidator,
       NULL::text[] AS lanacl
