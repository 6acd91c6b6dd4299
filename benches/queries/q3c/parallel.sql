-- Its functions are pure, but not declared so, and nothing that calls them would be shared among workers.
DO $$
DECLARE function regprocedure;
BEGIN
  FOR function IN SELECT oid FROM pg_proc WHERE proname LIKE 'q3c%' AND provolatile = 'i' LOOP
    EXECUTE 'ALTER FUNCTION ' || function || ' PARALLEL SAFE';
  END LOOP;
END $$
