-- Operators that can be used.
SELECT oid,
       name::name AS oprname,
       11::oid AS oprnamespace,
       10::oid AS oprowner,
       'b'::"char" AS oprkind,
       false AS oprcanmerge,
       name = '=' AS oprcanhash,
       left_type AS oprleft,
       right_type AS oprright,
       result_type AS oprresult,
       commutator AS oprcom,
       negator AS oprnegate,
       0::oid AS oprcode,
       '-'::regproc AS oprrest,
       '-'::regproc AS oprjoin
FROM source.operators
