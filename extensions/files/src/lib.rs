//! Plain files as tables: Parquet, CSV, Arrow IPC, FITS, VOTable, ECSV.
