-- The cursors and named portals of this session.
SELECT
    name,
    statement,
    holdable AS is_holdable,
    "binary" AS is_binary,
    scrolls AS is_scrollable,
    since AS creation_time
FROM source.cursors
