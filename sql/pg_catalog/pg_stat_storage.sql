-- What was asked of the stores over the network since the server began: requests, bytes, failures.
SELECT store,
       gets,
       heads,
       lists,
       puts,
       deletes,
       bytes_read,
       bytes_written,
       failures,
       resumed
FROM source.stores
