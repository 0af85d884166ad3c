-- Roles of the database that wcx-sink-pg writes to. Run once per cluster as a superuser, before the migrations in persist/sql/. Give wcx_sink its password from the
-- vault, not here:  ALTER ROLE wcx_sink PASSWORD ...
DO $make$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'wcx_owner') THEN
    CREATE ROLE wcx_owner NOLOGIN; -- owns the schema
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'wcx_sink') THEN
    CREATE ROLE wcx_sink LOGIN CONNECTION LIMIT 16; -- wcx-sink-pg
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'wcx_reader') THEN
    CREATE ROLE wcx_reader NOLOGIN; -- granted to people and reports
  END IF;
END
$make$;
