-- The queries that run or wait, and the last hundred that ended, of this server and of the others that it knows of: the
-- connection to cancel, stored bytes of their files, on how many workers, rows so far, how much is done (0 to 1), waves
-- of long ones; bytes, requests, seconds of work and money, as counted and as estimated.
SELECT id,
       coordinator,
       pid,
       user_name,
       state,
       since,
       seconds,
       scan_bytes,
       workers,
       rows,
       progress,
       waves,
       waves_done,
       waves_failed,
       bytes_read,
       gets,
       core_seconds,
       money,
       estimated_bytes,
       estimated_gets,
       estimated_core_seconds,
       estimated_money
FROM source.queries
