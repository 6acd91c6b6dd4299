//! ADQL geometry, IVOA and Q3C functions as one table
