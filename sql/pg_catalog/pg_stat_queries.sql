-- The queries whose rows are being made: stored bytes they were planned to read, on how many workers, rows so far.
SELECT id,
       user_name,
       since,
       scan_bytes,
       workers,
       rows
FROM source.queries
