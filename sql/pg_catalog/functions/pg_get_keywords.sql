-- The words of the grammar: reserved (R) or not (U).
SELECT word,
       (CASE WHEN reserved THEN 'R' ELSE 'U' END)::"char" AS catcode,
       NOT reserved AS barelabel,
       CASE WHEN reserved THEN 'reserved' ELSE 'unreserved' END AS catdesc,
       CASE WHEN reserved THEN 'requires AS' ELSE 'can be bare label' END AS baredesc
FROM source.keywords
