//! HATS catalogues: read in place, import, prune
