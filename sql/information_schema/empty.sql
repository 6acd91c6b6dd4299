-- Relations that exist in PostgreSQL 15 and never have a row here.
CREATE TABLE check_constraints (constraint_catalog name, constraint_schema name, constraint_name name, check_clause text);
CREATE TABLE constraint_column_usage (table_catalog name, table_schema name, table_name name, column_name name, constraint_catalog name, constraint_schema name, constraint_name name);
CREATE TABLE constraint_table_usage (table_catalog name, table_schema name, table_name name, constraint_catalog name, constraint_schema name, constraint_name name);
CREATE TABLE domains (domain_catalog name, domain_schema name, domain_name name, data_type text);
CREATE TABLE element_types (object_catalog name, object_schema name, object_name name, object_type text, collection_type_identifier name, data_type text);
CREATE TABLE key_column_usage (constraint_catalog name, constraint_schema name, constraint_name name, table_catalog name, table_schema name, table_name name, column_name name, ordinal_position int4, position_in_unique_constraint int4);
CREATE TABLE referential_constraints (constraint_catalog name, constraint_schema name, constraint_name name, unique_constraint_catalog name, unique_constraint_schema name, unique_constraint_name name, match_option text, update_rule text, delete_rule text);
CREATE TABLE sequences (sequence_catalog name, sequence_schema name, sequence_name name, data_type text);
CREATE TABLE table_constraints (constraint_catalog name, constraint_schema name, constraint_name name, table_catalog name, table_schema name, table_name name, constraint_type text, is_deferrable text, initially_deferred text, enforced text, nulls_distinct text);
CREATE TABLE triggers (trigger_catalog name, trigger_schema name, trigger_name name, event_manipulation text, event_object_catalog name, event_object_schema name, event_object_table name);
