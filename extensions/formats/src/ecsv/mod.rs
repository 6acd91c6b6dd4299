//! ECSV, the texts that astropy writes, as Arrow batches. Not plain CSV.
