//! Table formats of astronomy as Arrow batches: FITS binary tables, VOTable, ECSV.
