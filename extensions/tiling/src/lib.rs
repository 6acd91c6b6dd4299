//! How a table is cut on the sky, and which predicates say where to look
