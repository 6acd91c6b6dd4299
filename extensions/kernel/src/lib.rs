//! How a SQL function is declared: a table row in, a DataFusion function out
