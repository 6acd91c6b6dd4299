-- Cells of 36 arcseconds: zones of declination, each cut into as many as fit its shorter side, a little inside of it.
CREATE OR REPLACE MACRO zone_at(dec) AS least(greatest(floor((dec + 90) * 100)::INT, 0), 17999);
CREATE OR REPLACE MACRO cells_of(zone) AS greatest(1,
  floor(36000 * cos(radians(least(90, greatest(abs(zone / 100 - 90), abs((zone + 1) / 100 - 90)) + 0.002)))))::INT;
CREATE OR REPLACE MACRO bucket_at(zone, cells, turn) AS zone * 36000 + ((floor(turn)::INT + cells) % cells);
CREATE OR REPLACE MACRO haversine(a, d, b, e) AS
  sin(radians(e - d) / 2) ** 2 + cos(radians(d)) * cos(radians(e)) * sin(radians(b - a) / 2) ** 2;
