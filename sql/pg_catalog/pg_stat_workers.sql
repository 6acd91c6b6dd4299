-- The workers that large queries are dealt to: how each stands, for how long, and why.
SELECT url,
       state,
       seconds,
       reason
FROM source.workers
