-- The same cells as DuckDB's.
CREATE FUNCTION IF NOT EXISTS zone_at AS (dec) -> toInt32(least(greatest(floor((dec + 90) * 100), 0), 17999));
CREATE FUNCTION IF NOT EXISTS cells_of AS (zone) -> toInt32(greatest(1,
  floor(36000 * cos(radians(least(90., greatest(abs(zone / 100 - 90), abs((zone + 1) / 100 - 90)) + 0.002))))));
CREATE FUNCTION IF NOT EXISTS bucket_at AS (zone, cells, turn) ->
  toInt32(zone * 36000 + (toInt32(floor(turn)) + cells) % cells);
CREATE FUNCTION IF NOT EXISTS haversine AS (a, d, b, e) ->
  pow(sin(radians(e - d) / 2), 2) + cos(radians(d)) * cos(radians(e)) * pow(sin(radians(b - a) / 2), 2);
